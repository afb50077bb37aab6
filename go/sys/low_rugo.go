//go:build rugo

package sys

import (
	"runtime"
	"unsafe"
)

// C functions of go/tinygo/support, and the runtime's (go/tinygo/overlay/src/runtime/poll_rugo.go).

//export support_syscall
func syscall_(number, a0, a1, a2, a3, a4, a5 uintptr) int64

//export ipc_buffer
func ipcBuffer() *Message

// The message buffer of the thread that runs Go.
var threadBuffer *Message

func buffer() *Message {
	if threadBuffer == nil {
		threadBuffer = ipcBuffer()
	}
	return threadBuffer
}

//export start_table
func startTable(n *uintptr) *StartHandle

//go:extern support_block
var supportBlock [0]byte

//go:extern support_ipc_call
var supportIpcCall [0]byte

//go:linkname alone runtime.alone
func alone() bool

//go:linkname wait runtime.pollPark
func wait(handle int32, events uint32, timeout int64) int64

//go:linkname closing runtime.pollClosing
func closing(handle int32)

//go:linkname runtimeBlock runtime.pollBlock
func runtimeBlock(fn uintptr, arg unsafe.Pointer)

func syscall(number int, a0, a1, a2, a3, a4, a5 uintptr) int64 {
	return syscall_(uintptr(number), a0, a1, a2, a3, a4, a5)
}

// blocked is struct blocked of support/block.c.
type blocked struct {
	number uintptr
	args   [6]uintptr
	result int64
}

// block is syscall for what may wait.
func block(number int, a0, a1, a2, a3, a4, a5 uintptr) int64 {
	b := blocked{number: uintptr(number), args: [6]uintptr{a0, a1, a2, a3, a4, a5}}
	runtimeBlock(uintptr(unsafe.Pointer(&supportBlock)), unsafe.Pointer(&b))
	return b.result
}

// called is struct called of support/block.c.
type called struct {
	message *Message
	timeout int64
	session int32
	result  int32
}

func blockCall(session int32, m *Message, timeout int64) int64 {
	c := called{message: m, timeout: timeout, session: session}
	runtimeBlock(uintptr(unsafe.Pointer(&supportIpcCall)), unsafe.Pointer(&c))
	runtime.KeepAlive(m)
	return int64(c.result)
}

func startHandles() []StartHandle {
	var n uintptr
	table := startTable(&n)
	return unsafe.Slice(table, n)
}
