//go:build rugo

// Reading directories.
package os

import (
	"io"
	"io/fs"
	"unsafe"
)

// dirInfo is what is read of a directory and not given out yet: records in linux_dirent64 layout.
type dirInfo struct {
	buf  [2048]byte
	left []byte
}

type dirRecord struct {
	ino  uint64
	off  int64
	len  uint16
	kind uint8
}

const dirNameAt = 19

// next returns the next entry but . and .. ; an empty name at the end.
func (d *dirInfo) next(fd descriptor) (name string, kind uint8, err error) {
	for {
		if len(d.left) == 0 {
			c := fileCall{op: opReaddir, fd: int32(fd), buf: unsafe.Pointer(&d.buf), n: uintptr(len(d.buf))}
			n, err := c.do()
			if err != nil || n == 0 {
				return "", 0, err
			}
			d.left = d.buf[:n]
		}
		r := (*dirRecord)(unsafe.Pointer(&d.left[0]))
		record := d.left[:r.len]
		d.left = d.left[r.len:]
		end := dirNameAt
		for end < len(record) && record[end] != 0 {
			end++
		}
		name = string(record[dirNameAt:end])
		if name != "." && name != ".." {
			return name, r.kind, nil
		}
	}
}

// dirEntry implements DirEntry.
type dirEntry struct {
	parent, name string
	kind         FileMode
}

func (e *dirEntry) Name() string            { return e.name }
func (e *dirEntry) IsDir() bool             { return e.kind.IsDir() }
func (e *dirEntry) Type() FileMode          { return e.kind }
func (e *dirEntry) Info() (FileInfo, error) { return Lstat(e.parent + "/" + e.name) }
func (e *dirEntry) String() string          { return fs.FormatDirEntry(e) }

func (f *File) readdir(n int, mode readdirMode) (names []string, dirents []DirEntry, infos []FileInfo, err error) {
	fd, err := f.descriptor()
	if err != nil {
		return nil, nil, nil, err
	}
	if f.dirinfo == nil {
		f.dirinfo = new(dirInfo)
	}
	for count := 0; n <= 0 || count < n; count++ {
		name, kind, err := f.dirinfo.next(fd)
		if err != nil {
			return names, dirents, infos, &PathError{Op: "readdir", Path: f.name, Err: err}
		}
		if name == "" {
			if n > 0 && count == 0 {
				return nil, nil, nil, io.EOF
			}
			break
		}
		switch mode {
		case readdirName:
			names = append(names, name)
		case readdirDirEntry:
			dirents = append(dirents, &dirEntry{f.name, name, modeOfType(uint32(kind))})
		default:
			info, err := Lstat(f.name + "/" + name)
			if err != nil && !IsNotExist(err) {
				return names, dirents, infos, err
			}
			if err == nil {
				infos = append(infos, info)
			}
		}
	}
	return names, dirents, infos, nil
}
