//go:build rugo

// Package interrupt: a process has no interrupts, and its goroutines run on one thread.
package interrupt

// State is what Disable found.
type State uintptr

func Disable() State { return 0 }

func Restore(State) {}

func In() bool { return false }
