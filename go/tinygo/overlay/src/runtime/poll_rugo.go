//go:build rugo

// What goroutines wait for outside the program. There is one thread that runs Go, and one port: a goroutine that has to
// wait for an object leaves its handle there and pauses, and the scheduler sleeps at the port when nothing can run
// (sleepTicks, waitForEvents). A call that can only block (a call on a session, a read of a file) is made by a helper
// thread, which posts to the port when it is done; a goroutine that is the only one makes it itself.
//
// Package rugo/sys is what programs use of this; it and package os link to alone, pollPark, pollClosing and pollBlock
// by name.
package runtime

import (
	"internal/task"
	"unsafe"
)

const (
	errTimedOut = -110
	eventWork   = 0x100   // EV_USER0
	eventGone   = 0x4 | 8 // EV_HUP, EV_ERR
	workToken   = 1 << 63 // in the token of a piece of work: its address is the rest
)

// pollWait is a goroutine that waits at the port.
type pollWait struct {
	next   *pollWait
	task   *task.Task
	handle int32
	events uint32
	result int64 // the events that came, or negative errno
	node   *timerNode
}

type portEvent struct {
	token    uint64
	events   uint32
	reserved uint32
}

var (
	pollPort  int32 = -1
	pollWaits *pollWait
	pollWorks int // pieces of work that are not done
	pollTimer bool
	pollFound [16]portEvent
)

// alone says that no other goroutine will ever run while the calling one blocks.
func alone() bool {
	return runqueue.Empty() && sleepQueue == nil && timerQueue == nil && pollWaits == nil && pollWorks == 0
}

// ---- waiting for an object ----

// pollPark pauses the goroutine until one of events comes to pass on a handle, or is there already. timeout in
// ns; negative: none. The events, or negative errno.
func pollPark(handle int32, events uint32, timeout int64) int64 {
	w := &pollWait{task: task.Current(), handle: handle, events: events | eventGone}
	if st := pollRegister(w); st < 0 {
		return int64(st)
	}
	w.next = pollWaits
	pollWaits = w
	if timeout >= 0 {
		w.node = &timerNode{timer: &timer{when: nanotime() + timeout}}
		w.node.callback = func(*timerNode, int64) {
			w.node = nil
			pollLeave(w)
			pollWake(w, errTimedOut)
		}
		addTimer(w.node)
	}
	pollWhileBusy()
	task.Pause()
	return w.result
}

// pollRegister makes the port look for what w and those who wait for the same handle want. A handle has one
// registration.
func pollRegister(w *pollWait) int32 {
	if pollPort < 0 {
		if pollPort = support_port_create(); pollPort < 0 {
			return pollPort
		}
	}
	var others uint32
	for o := pollWaits; o != nil; o = o.next {
		if o.handle == w.handle {
			others |= o.events
		}
	}
	if others != 0 {
		if w.events&^others == 0 {
			return 0
		}
		support_port_del(pollPort, w.handle)
	}
	return support_port_add(pollPort, w.handle, others|w.events, uint64(uint32(w.handle)))
}

// pollLeave takes w out of the list, and its handle from the port if nobody else waits for it.
func pollLeave(w *pollWait) {
	shared := false
	for p := &pollWaits; *p != nil; {
		if *p == w {
			*p = w.next
			continue
		}
		shared = shared || (*p).handle == w.handle
		p = &(*p).next
	}
	if !shared {
		support_port_del(pollPort, w.handle)
	}
}

func pollWake(w *pollWait, result int64) {
	if w.node != nil {
		removeTimer(w.node.timer)
	}
	w.result = result
	scheduleTask(w.task)
}

// pollAll wakes those who wait for a handle.
func pollAll(handle int32, result int64) {
	support_port_del(pollPort, handle)
	for p := &pollWaits; *p != nil; {
		w := *p
		if w.handle != handle {
			p = &w.next
			continue
		}
		*p = w.next
		pollWake(w, result)
	}
}

// pollClosing is told of a handle that is about to be closed: its registration goes with it, so who waits for it looks
// again and finds it closed.
func pollClosing(handle int32) {
	if pollWaits != nil {
		pollAll(handle, 0)
	}
}

// ---- work for helper threads ----

type pollWork struct {
	next  unsafe.Pointer // support/work.c
	fn    uintptr
	arg   unsafe.Pointer
	token uint64
	task  *task.Task
}

// pollBlock makes a C function that may block be called with arg, by a helper thread if another goroutine could run.
func pollBlock(fn uintptr, arg unsafe.Pointer) {
	if pollPort < 0 && !alone() {
		pollPort = support_port_create()
	}
	if alone() || pollPort < 0 {
		flush()
		support_call(fn, arg)
		return
	}
	w := &pollWork{fn: fn, arg: arg, task: task.Current()}
	w.token = workToken | uint64(uintptr(unsafe.Pointer(w)))
	if support_work(w, pollPort) < 0 {
		support_call(fn, arg)
		return
	}
	pollWorks++
	pollWhileBusy()
	task.Pause()
	KeepAlive(w) // the helper's thread had it, where the collector does not look
}

// ---- the scheduler's side ----

// poll waits at the port for timeout ns (negative: for ever; 0: not at all) and makes runnable whoever it was for.
func poll(timeout int64) {
	n := support_port_wait(pollPort, &pollFound[0], uintptr(len(pollFound)), timeout)
	for i := int64(0); i < n; i++ {
		e := &pollFound[i]
		if e.token&workToken != 0 {
			w := (*pollWork)(unsafe.Pointer(uintptr(e.token &^ workToken)))
			pollWorks--
			scheduleTask(w.task)
		} else {
			pollAll(int32(e.token), int64(e.events))
		}
	}
	if n > 0 {
		pollWhileBusy()
	}
}

// pollWhileBusy makes the port be looked at every few milliseconds as long as the scheduler finds goroutines to run and
// so never sleeps there.
func pollWhileBusy() {
	const often = 5e6
	if pollTimer || runqueue.Empty() || (pollWaits == nil && pollWorks == 0) {
		return
	}
	pollTimer = true
	addTimer(&timerNode{timer: &timer{when: nanotime() + often}, callback: pollTick})
}

func pollTick(*timerNode, int64) {
	pollTimer = false
	poll(0)
	pollWhileBusy()
}

// sleepTicks is called when nothing can run for d ns; it may come back early.
func sleepTicks(d timeUnit) {
	flush()
	if pollPort < 0 {
		support_sleep(int64(d))
		return
	}
	poll(int64(d))
}

// waitForEvents is called when nothing can run and no time will change that.
func waitForEvents() {
	if pollWaits == nil && pollWorks == 0 {
		runtimePanic("all goroutines are asleep: deadlock")
	}
	flush()
	poll(-1)
}

//export support_port_create
func support_port_create() int32

//export support_port_add
func support_port_add(port, handle int32, events uint32, token uint64) int32

//export support_port_del
func support_port_del(port, handle int32) int32

//export support_port_wait
func support_port_wait(port int32, events *portEvent, n uintptr, timeout int64) int64

//export support_sleep
func support_sleep(ns int64)

//export support_work
func support_work(w *pollWork, port int32) int32

//export support_call
func support_call(fn uintptr, arg unsafe.Pointer)
