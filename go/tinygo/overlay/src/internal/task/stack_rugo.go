//go:build rugo

// Stacks of goroutines. Each is a mapping of its own with a guard page below it, so that an overflow is a fault and
// never somebody else's memory; its pages come as they are used. It stands in place of task_stack.go.
package task

import "unsafe"

//go:linkname runtimePanic runtime.runtimePanic
func runtimePanic(str string)

// Pause (task_stack_unicore.go) looks at a word of the stack; the guard page sees more than that, so all stacks
// share this one.
const stackCanary = uintptr(0x670c1333b83bf575)

var canary = stackCanary

type state struct {
	sp        uintptr  // saved stack pointer of a goroutine that does not run
	canaryPtr *uintptr // &canary
	stack     *stack
}

// stack lies at the top of its mapping.
type stack struct {
	next, prev *stack
	task       *Task
	low        uintptr // lowest usable byte
}

// All stacks of goroutines that have not ended.
var live *stack

// The stack of a goroutine that has ended, which may still be on it for its last Pause.
var ended *stack

//export support_stack_get
func stackGet(size uintptr) unsafe.Pointer

//export support_stack_put
func stackPut(low unsafe.Pointer)

// Whoever comes here is on another stack than the one that ended.
func reap() {
	if s := ended; s != nil && s.task != Current() {
		ended = nil
		stackPut(unsafe.Pointer(s.low))
	}
}

func (s *state) initialize(t *Task, fn uintptr, args unsafe.Pointer, size uintptr) {
	low := stackGet(size)
	if low == nil {
		runtimePanic("no memory for a goroutine's stack")
	}
	top := (*stack)(unsafe.Add(low, size-unsafe.Sizeof(stack{})))
	*top = stack{next: live, task: t, low: uintptr(low)}
	if live != nil {
		live.prev = top
	}
	live = top
	s.stack = top
	s.canaryPtr = &canary
	// Behind the registers the stack is a multiple of 16, as at a call.
	at := (uintptr(unsafe.Pointer(top))-unsafe.Sizeof(calleeSavedRegs{}))&^15 - 8
	s.archInit((*calleeSavedRegs)(unsafe.Pointer(at)), fn, args)
}

func (s *stack) unlink() {
	if s.next != nil {
		s.next.prev = s.prev
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		live = s.next
	}
}

//export tinygo_task_exit
func taskExit() {
	reap()
	s := Current().state.stack
	s.unlink()
	ended = s
	Pause()
}

//export tinygo_swapTask
func swapTask(oldStack uintptr, newStack *uintptr)

//go:extern tinygo_startTask
var startTask [0]uint8

func start(fn uintptr, args unsafe.Pointer, stackSize uintptr) {
	reap()
	t := &Task{}
	t.state.initialize(t, fn, args, stackSize)
	scheduleTask(t)
}

// OnSystemStack returns whether the caller runs on the first thread's own stack, as the scheduler does.
func OnSystemStack() bool {
	return Current() == nil
}

// EachStack calls found with what is in use of the stack of each goroutine that does not run.
func EachStack(found func(start, end uintptr)) {
	for s := live; s != nil; s = s.next {
		if s.task != Current() {
			found(s.task.state.sp, uintptr(unsafe.Pointer(s))+unsafe.Sizeof(*s))
		}
	}
}

// CurrentTop is the end of the running goroutine's stack.
func CurrentTop() uintptr {
	s := Current().state.stack
	return uintptr(unsafe.Pointer(s)) + unsafe.Sizeof(*s)
}

// Whether an address lies in the guard page of a stack; asked by the handler of faults.
//
//export support_in_guard
func inGuard(addr uintptr) bool {
	const guard = 4096
	for s := live; s != nil; s = s.next {
		if addr < s.low && addr >= s.low-guard {
			return true
		}
	}
	return false
}
