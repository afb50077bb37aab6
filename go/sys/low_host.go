//go:build !rugo

package sys

// On another system a test is the kernel.
var (
	// fakeKernel serves system calls.
	fakeKernel func(number int, args [6]uintptr) int64
	// fakeBuffer is the thread's message buffer.
	fakeBuffer Message
	fakeStart  []StartHandle
	fakeAlone  = true
	// fakeWait stands for the scheduler.
	fakeWait   func(handle int32, events uint32, timeout int64) int64
	fakeClosed []int32
)

func syscall(number int, a0, a1, a2, a3, a4, a5 uintptr) int64 {
	return fakeKernel(number, [6]uintptr{a0, a1, a2, a3, a4, a5})
}

func block(number int, a0, a1, a2, a3, a4, a5 uintptr) int64 {
	return syscall(number, a0, a1, a2, a3, a4, a5)
}

func blockCall(session int32, m *Message, timeout int64) int64 {
	copyMessage(&fakeBuffer, m)
	r := syscall(sysIpcCall, uintptr(session), uintptr(timeout), 0, 0, 0, 0)
	if r == 0 {
		copyMessage(m, &fakeBuffer)
	}
	return r
}

func buffer() *Message            { return &fakeBuffer }
func alone() bool                 { return fakeAlone }
func closing(handle int32)        { fakeClosed = append(fakeClosed, handle) }
func startHandles() []StartHandle { return fakeStart }

func wait(handle int32, events uint32, timeout int64) int64 {
	return fakeWait(handle, events, timeout)
}
