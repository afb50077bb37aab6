//go:build rugo

package syscall

import "unsafe"

//export getcwd
func libc_getcwd(buf *byte, size uintptr) unsafe.Pointer

// Getwd returns the working directory, which the C library keeps.
func Getwd() (string, error) {
	var buf [4096]byte
	if libc_getcwd(&buf[0], uintptr(len(buf))) == nil {
		return "", ENOENT
	}
	n := 0
	for buf[n] != 0 {
		n++
	}
	return string(buf[:n]), nil
}
