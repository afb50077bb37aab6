//go:build rugo

// Files on Rugo: Rugo's C library speaks to the file server, the terminal and pipes (go/tinygo/support/file.c). A call
// that may wait is made by a helper thread when another goroutine could run meanwhile.
package os

import (
	"errors"
	"io"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

const isOS = true

const DevNull = "/dev/null"

var (
	Stdin  = NewFile(0, "/dev/stdin")
	Stdout = NewFile(1, "/dev/stdout")
	Stderr = NewFile(2, "/dev/stderr")
)

func init() {
	Mount("/", filesystem{})
}

// ---- calls of the library ----

// Operations of support_file; the order is that of its table.
const (
	opOpen = iota
	opClose
	opRead
	opWrite
	opSeek
	opSync
	opTruncate
	opStat
	opStatPath
	opReaddir
	opMkdir
	opRemove
	opRename
	opSymlink
	opReadlink
	opChdir
	opPipe
)

// fileCall is struct file_call of go/tinygo/support/file.c.
type fileCall struct {
	op     int32
	fd     int32
	flags  int32
	mode   uint32
	path   unsafe.Pointer
	to     unsafe.Pointer
	buf    unsafe.Pointer
	n      uintptr
	offset int64 // -1: the file's own position
	result int64 // 0 or more, or negative errno
}

//go:extern support_file
var supportFile [0]byte

//go:linkname runtimeBlock runtime.pollBlock
func runtimeBlock(fn uintptr, arg unsafe.Pointer)

//go:linkname runtimeFlush runtime.flush
func runtimeFlush()

func (c *fileCall) do() (int64, error) {
	runtimeBlock(uintptr(unsafe.Pointer(&supportFile)), unsafe.Pointer(c))
	runtime.KeepAlive(c)
	return c.result, fileError(c.result)
}

func fileError(result int64) error {
	if result >= 0 {
		return nil
	}
	switch e := syscall.Errno(-result); e {
	case syscall.ENOENT:
		return ErrNotExist
	case syscall.EEXIST:
		return ErrExist
	case syscall.EACCES, syscall.EPERM:
		return ErrPermission
	default:
		return e
	}
}

func cstring(s string) unsafe.Pointer {
	b := make([]byte, len(s)+1)
	copy(b, s)
	return unsafe.Pointer(&b[0])
}

// pathCall does what only has a path and says so when it goes wrong.
func pathCall(name string, op int32, path string, flags int32, mode uint32) error {
	c := fileCall{op: op, path: cstring(path), flags: flags, mode: mode}
	if _, err := c.do(); err != nil {
		return &PathError{Op: name, Path: path, Err: err}
	}
	return nil
}

func linkCall(name string, op int32, from, to string) error {
	c := fileCall{op: op, path: cstring(from), to: cstring(to)}
	if _, err := c.do(); err != nil {
		return &LinkError{name, from, to, err}
	}
	return nil
}

// ---- the file system ----

type filesystem struct{}

func (filesystem) OpenFile(path string, flag int, perm FileMode) (uintptr, error) {
	c := fileCall{op: opOpen, path: cstring(path), flags: int32(flag), mode: uint32(perm.Perm())}
	fd, err := c.do()
	return uintptr(fd), err
}

func (filesystem) Mkdir(path string, perm FileMode) error {
	c := fileCall{op: opMkdir, path: cstring(path), mode: uint32(perm.Perm())}
	_, err := c.do()
	return err
}

func (filesystem) Remove(path string) error {
	return pathCall("remove", opRemove, path, 0, 0)
}

func Chdir(dir string) error                 { return pathCall("chdir", opChdir, dir, 0, 0) }
func Rename(oldpath, newpath string) error   { return linkCall("rename", opRename, oldpath, newpath) }
func Symlink(oldname, newname string) error  { return linkCall("symlink", opSymlink, oldname, newname) }
func Truncate(name string, size int64) error { return truncatePath(name, size) }
func tempDir() string                        { return "/tmp" }

func Readlink(name string) (string, error) {
	b := make([]byte, 4096)
	c := fileCall{op: opReadlink, path: cstring(name), buf: unsafe.Pointer(&b[0]), n: uintptr(len(b))}
	n, err := c.do()
	if err != nil {
		return "", &PathError{Op: "readlink", Path: name, Err: err}
	}
	return string(b[:n]), nil
}

func truncatePath(name string, size int64) error {
	f, err := OpenFile(name, O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size)
}

// Pipe returns two connected files: reads from r return what is written to w.
func Pipe() (r *File, w *File, err error) {
	var ends [2]int32
	c := fileCall{op: opPipe, buf: unsafe.Pointer(&ends)}
	if _, err := c.do(); err != nil {
		return nil, nil, NewSyscallError("pipe", err)
	}
	return newPipe(ends[0], "|0"), newPipe(ends[1], "|1"), nil
}

// pipeEnd is an end that the kernel never lets wait: goroutines wait at the runtime's port instead, so that any number
// of them can.
type pipeEnd struct{ descriptor }

//go:linkname runtimeWait runtime.pollPark
func runtimeWait(handle int32, events uint32, timeout int64) int64

//go:linkname runtimeClosing runtime.pollClosing
func runtimeClosing(handle int32)

const readable, writable = 1, 2 // EV_READABLE, EV_WRITABLE

func newPipe(fd int32, name string) *File {
	return &File{&file{handle: pipeEnd{descriptor(fd)}, name: name}}
}

func (p pipeEnd) wait(events uint32, err error) error {
	if err != syscall.EAGAIN {
		return err
	}
	return fileError(runtimeWait(int32(p.descriptor), events, -1))
}

func (p pipeEnd) Read(b []byte) (int, error) {
	for {
		n, err := p.descriptor.Read(b)
		if err == nil || p.wait(readable, err) != nil {
			return n, err
		}
	}
}

func (p pipeEnd) Write(b []byte) (done int, err error) {
	for done < len(b) {
		n, err := p.descriptor.Write(b[done:])
		done += n
		if err != nil && p.wait(writable, err) != nil {
			return done, err
		}
	}
	return done, nil
}

func (p pipeEnd) Close() error {
	runtimeClosing(int32(p.descriptor))
	return p.descriptor.Close()
}

func Executable() (string, error) {
	if args := runtime_args(); len(args) > 0 {
		return args[0], nil
	}
	return "", errors.New("os: no name of the program is known")
}

// ---- an open file ----

// descriptor implements FileHandle.
type descriptor int32

type file struct {
	handle     FileHandle
	name       string
	appendMode bool
	dirinfo    *dirInfo
}

func (f *file) close() error { return f.handle.Close() }

func NewFile(fd uintptr, name string) *File {
	return &File{&file{handle: descriptor(fd), name: name}}
}

func (d descriptor) Fd() uintptr { return uintptr(d) }

func (d descriptor) transfer(op int32, b []byte, offset int64) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	c := fileCall{op: op, fd: int32(d), buf: unsafe.Pointer(&b[0]), n: uintptr(len(b)), offset: offset}
	n, err := c.do()
	runtime.KeepAlive(b)
	if err != nil {
		return 0, err
	}
	if n == 0 && op == opRead {
		return 0, io.EOF
	}
	return int(n), nil
}

func (d descriptor) Read(b []byte) (int, error)                 { return d.transfer(opRead, b, -1) }
func (d descriptor) ReadAt(b []byte, offset int64) (int, error) { return d.transfer(opRead, b, offset) }
func (d descriptor) WriteAt(b []byte, offset int64) (int, error) {
	return d.transfer(opWrite, b, offset)
}

func (d descriptor) Write(b []byte) (int, error) {
	runtimeFlush() // what print and println have left comes first
	return d.transfer(opWrite, b, -1)
}

func (d descriptor) Seek(offset int64, whence int) (int64, error) {
	c := fileCall{op: opSeek, fd: int32(d), offset: offset, flags: int32(whence)}
	return c.do()
}

func (d descriptor) simple(op int32, offset int64) error {
	c := fileCall{op: op, fd: int32(d), offset: offset}
	_, err := c.do()
	return err
}

func (d descriptor) Sync() error  { return d.simple(opSync, 0) }
func (d descriptor) Close() error { return d.simple(opClose, 0) }

func (f *File) descriptor() (descriptor, error) {
	if f.handle == nil {
		return 0, ErrClosed
	}
	switch h := f.handle.(type) {
	case descriptor:
		return h, nil
	case pipeEnd:
		return h.descriptor, nil
	}
	return 0, ErrNotImplemented
}

func (f *File) Truncate(size int64) error {
	d, err := f.descriptor()
	if err == nil {
		err = d.simple(opTruncate, size)
	}
	if err != nil {
		return &PathError{Op: "truncate", Path: f.name, Err: err}
	}
	return nil
}

func (f *File) chmod(mode FileMode) error { return ErrNotImplemented }
func (f *File) chdir() error              { return ErrNotImplemented }

// ---- what a file is ----

// stat is Linux's and Rugo's struct stat.
type stat struct {
	dev, ino, nlink  uint64
	mode, uid, gid   uint32
	_                uint32
	rdev             uint64
	size             int64
	blksize, blocks  int64
	atim, mtim, ctim [2]int64
	_                [3]int64
}

type fileStat struct {
	name string
	sys  stat
}

func (s *fileStat) Name() string       { return s.name }
func (s *fileStat) IsDir() bool        { return s.Mode().IsDir() }
func (s *fileStat) Size() int64        { return s.sys.size }
func (s *fileStat) ModTime() time.Time { return time.Unix(s.sys.mtim[0], s.sys.mtim[1]) }
func (s *fileStat) Sys() any           { return nil }

func (s *fileStat) Mode() FileMode { return FileMode(s.sys.mode&0777) | modeOfType(s.sys.mode>>12) }

// modeOfType knows the types of files by the upper four bits of st_mode, which are also d_type of a directory's entry.
func modeOfType(kind uint32) FileMode {
	switch kind {
	case 1:
		return ModeNamedPipe
	case 2:
		return ModeDevice | ModeCharDevice
	case 4:
		return ModeDir
	case 6:
		return ModeDevice
	case 10:
		return ModeSymlink
	case 12:
		return ModeSocket
	}
	return 0
}

// SameFile reports whether two descriptions from this package are of one file.
func SameFile(fi1, fi2 FileInfo) bool {
	a, ok1 := fi1.(*fileStat)
	b, ok2 := fi2.(*fileStat)
	return ok1 && ok2 && a.sys.dev == b.sys.dev && a.sys.ino == b.sys.ino
}

func (f *File) Stat() (FileInfo, error) {
	s := &fileStat{name: basename(f.name)}
	d, err := f.descriptor()
	if err == nil {
		c := fileCall{op: opStat, fd: int32(d), buf: unsafe.Pointer(&s.sys)}
		_, err = c.do()
	}
	if err != nil {
		return nil, &PathError{Op: "stat", Path: f.name, Err: err}
	}
	return s, nil
}

func statPath(op, name string, nofollow int32) (FileInfo, error) {
	s := &fileStat{name: basename(name)}
	c := fileCall{op: opStatPath, path: cstring(name), flags: nofollow, buf: unsafe.Pointer(&s.sys)}
	if _, err := c.do(); err != nil {
		return nil, &PathError{Op: op, Path: name, Err: err}
	}
	return s, nil
}

func statNolog(name string) (FileInfo, error)  { return statPath("stat", name, 0) }
func lstatNolog(name string) (FileInfo, error) { return statPath("lstat", name, 1) }
