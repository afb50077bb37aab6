package sys

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
)

// Handle is an entry of the process's handle table, of whatever kind.
type Handle int32

// Close closes the handle. Who waits for the object by this handle finds it closed.
func (h Handle) Close() error {
	closing(int32(h))
	return failure(syscall(sysHandleClose, uintptr(h), 0, 0, 0, 0, 0))
}

// Errno is an error of the kernel or of a service (abi/error.def).
type Errno uint32

func (e Errno) Error() string {
	if name, ok := errorNames[e]; ok {
		return name
	}
	return "error " + strconv.Itoa(int(e))
}

// Is says whether the error is what the standard library calls target.
func (e Errno) Is(target error) bool {
	switch target {
	case fs.ErrNotExist:
		return e == ENOENT
	case fs.ErrExist:
		return e == EEXIST || e == ENOTEMPTY
	case fs.ErrPermission:
		return e == EACCES || e == EPERM
	case fs.ErrClosed:
		return e == EBADF
	case os.ErrDeadlineExceeded:
		return e == ETIMEDOUT
	case errors.ErrUnsupported:
		return e == ENOSYS || e == EOPNOTSUPP
	}
	return false
}

// Timeout says whether time was up.
func (e Errno) Timeout() bool { return e == ETIMEDOUT }

// Temporary says whether the same call may do better later.
func (e Errno) Temporary() bool { return e == EAGAIN || e == EINTR || e == EBUSY }

// failure is the error in the result of a system call; nil for results that are none.
func failure(result int64) error {
	if result >= 0 {
		return nil
	}
	return Errno(-result)
}

// number is the negative errno that stands for err in an answer.
func number(err error) int32 {
	var e Errno
	switch {
	case errors.As(err, &e) && e != 0:
		return -int32(e)
	case errors.Is(err, fs.ErrNotExist):
		return -int32(ENOENT)
	case errors.Is(err, fs.ErrExist):
		return -int32(EEXIST)
	case errors.Is(err, fs.ErrPermission):
		return -int32(EACCES)
	}
	return -int32(EIO)
}
