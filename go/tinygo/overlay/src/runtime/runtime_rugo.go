//go:build rugo

// What the runtime asks of the operating system, on Rugo: start, heap, clock, output, the end. It stands in place of
// the files that go/tinygo/replaced names. The functions in C are those of go/tinygo/support and of Rugo's library.
package runtime

import (
	"internal/task"
	"unsafe"
)

const baremetal = true

// ---- start ----

// Highest address of the first thread's stack, on which the scheduler runs.
var stackTop uintptr

// The library's start code (lib/start.c) has set up the thread before it calls this.
//
//export main
func main(argc int32, argv, envp *unsafe.Pointer) int32 {
	support_begin(argc, argv, envp)
	heapBegin()
	stackTop = getCurrentStackPointer()
	runMain()
	flush()
	return 0
}

// A function of its own, so that all its frames lie below stackTop.
//
//go:noinline
func runMain() {
	run()
}

// C keeps the words, because what a Go variable has before its package's init is known to the compiler.
func init() {
	args = words(arguments)
	env = words(environment)
}

const arguments, environment = 0, 1

func words(which int32) []string {
	var list []string
	for i := uintptr(0); support_word(which, i) != nil; i++ {
		ptr := support_word(which, i)
		s := _string{ptr: (*byte)(ptr), length: strlen(ptr)}
		list = append(list, *(*string)(unsafe.Pointer(&s)))
	}
	return list
}

//export support_begin
func support_begin(argc int32, argv, envp *unsafe.Pointer)

//export support_word
func support_word(which int32, i uintptr) unsafe.Pointer

// ---- the end ----

//go:linkname syscall_Exit syscall.Exit
func syscall_Exit(code int) {
	exit(code)
}

func exit(code int) {
	flush()
	libc_exit(int32(code))
}

// The text of the panic is out; who called whom is told by the report of the crash that ends the process
// (support/panic.c).
func abort() {
	flush()
	support_abort()
}

//export exit
func libc_exit(code int32)

//export support_abort
func support_abort()

// ---- heap ----

// The heap is one range of address space of which a growing part can be touched. Pages come as they are used.
const (
	heapReserve = 16 << 30
	heapFirst   = 256 << 10
	pageSize    = 4096
)

var heapStart, heapEnd, heapLimit uintptr

func heapBegin() {
	size := uintptr(heapReserve)
	start := support_reserve(size)
	for start < 0 && size > heapFirst {
		size /= 2
		start = support_reserve(size)
	}
	if start < 0 || support_commit(uintptr(start), heapFirst) < 0 {
		runtimePanic("no memory for the heap")
	}
	heapStart = uintptr(start)
	heapEnd = heapStart + heapFirst
	heapLimit = heapStart + size
}

// growHeap makes the heap a third bigger. False: there is no more.
func growHeap() bool {
	more := ((heapEnd-heapStart)/3 + pageSize - 1) &^ (pageSize - 1)
	if more > heapLimit-heapEnd {
		more = heapLimit - heapEnd
	}
	// The table of blocks at its end must not overlap the old one when it moves there.
	if more <= heapEnd-uintptr(metadataStart) || support_commit(heapEnd, more) < 0 {
		return false
	}
	setHeapEnd(heapEnd + more)
	return true
}

// Address, or negative errno.
//
//export support_reserve
func support_reserve(size uintptr) int64

//export support_commit
func support_commit(addr, size uintptr) int64

// C code that asks for memory gets it from the library's own malloc.

// ---- what the collector looks through ----

type elfHeader struct {
	_         [32]byte
	phoff     uint64
	_         [14]byte
	phentsize uint16
	phnum     uint16
}

type elfProgramHeader struct {
	kind, flags   uint32
	offset, vaddr uint64
	_             uint64
	_             uint64
	memsz         uint64
}

//go:extern __ehdr_start
var imageHeader elfHeader

func gcMarkReachable() {
	scanCurrentStack()
	if !task.OnSystemStack() {
		markRoots(task.SystemStack(), stackTop)
	}
	task.EachStack(markRoots)
	findGlobals(markRoots)
}

// findGlobals calls found with each writable segment of the image.
func findGlobals(found func(start, end uintptr)) {
	const load, writable = 1, 2
	base := uintptr(unsafe.Pointer(&imageHeader))
	for i := uintptr(0); i < uintptr(imageHeader.phnum); i++ {
		at := base + uintptr(imageHeader.phoff) + i*uintptr(imageHeader.phentsize)
		p := (*elfProgramHeader)(unsafe.Pointer(at))
		if p.kind == load && p.flags&writable != 0 {
			start := base + uintptr(p.vaddr)
			found((start+7)&^7, (start+uintptr(p.memsz))&^7)
		}
	}
}

//go:export tinygo_scanCurrentStack
func scanCurrentStack()

// Called by scanCurrentStack with the registers on the stack.
//
//go:export tinygo_scanstack
func scanstack(sp uintptr) {
	top := stackTop
	if !task.OnSystemStack() {
		top = task.CurrentTop()
	}
	markRoots(sp, top)
}

func gcResumeWorld() {}

// ---- time ----

// A tick is a nanosecond.
func ticksToNanoseconds(t timeUnit) int64 { return int64(t) }

func nanosecondsToTicks(ns int64) timeUnit { return timeUnit(ns) }

const clockRealtime, clockMonotonic = 0, 1

func ticks() timeUnit { return timeUnit(clock_read(clockMonotonic)) }

//go:linkname now time.now
func now() (sec int64, nsec int32, mono int64) {
	ns := clock_read(clockRealtime)
	return ns / 1e9, int32(ns % 1e9), nanotime()
}

//export clock_read
func clock_read(clock uint32) int64

func hardwareRand() (n uint64, ok bool) {
	random_bytes(unsafe.Pointer(&n), 8)
	return n, true
}

//export random_bytes
func random_bytes(buf unsafe.Pointer, n uintptr)

//export __errno_location
func libc_errno_location() *int32

// ---- text: print, println, panics, os.Stdout ----

const (
	stdout = 1
	stderr = 2
)

// What was printed and not written yet; a line goes in one piece.
var (
	line     [256]byte
	lineUsed uintptr
)

func putchar(c byte) {
	line[lineUsed] = c
	lineUsed++
	if c == '\n' || lineUsed == uintptr(len(line)) {
		flush()
	}
}

func flush() {
	n := lineUsed
	lineUsed = 0
	if n == 0 {
		return
	}
	const word = "panic: "
	if n >= uintptr(len(word)) && string(line[:len(word)]) == word {
		support_panic_line(unsafe.Pointer(&line[0]), n)
		return
	}
	support_write(stdout, unsafe.Pointer(&line[0]), n)
}

//export support_write
func support_write(fd int32, buf unsafe.Pointer, n uintptr) int64

// Writes the line of a panic to stderr, behind the program's name.
//
//export support_panic_line
func support_panic_line(buf unsafe.Pointer, n uintptr)

// ---- what one thread needs no more than a name for ----

//go:linkname procPin sync/atomic.runtime_procPin
func procPin() {}

//go:linkname procUnpin sync/atomic.runtime_procUnpin
func procUnpin() {}
