// Package sys is Rugo's contract in Go: its system calls, its messages, and the protocols of its services.
//
// What a process may touch are handles, and each kind of object has a type of handle: [Endpoint], [Session], [Shm],
// [Port] and so on. System calls are methods of the handle they are made on, with the names of docs/abi/syscall_v1.md
// in Go's spelling; which handles a program was started with is told by [StartHandle]. Errors are of type [Errno], and
// errors.Is knows them by the standard library's names as well (fs.ErrNotExist, os.ErrDeadlineExceeded, …).
//
// A client speaks to a service through a session of its protocol:
//
//	session, err := sys.Connect("fsd")
//	dir := sys.FileSession(session)
//	file, kind, err := dir.Open(0, 0, "/readme.txt")
//
// A service implements the interface of its protocol, embeds the Unimplemented type for what it does not do, and runs a
// [Server]:
//
//	server := sys.Server{Dispatch: func(c *sys.Call) bool { return sys.DispatchFile(c, files) }}
//	err := server.Run()
//
// Calls that wait do so without holding up other goroutines. Everything else in the package may be used by one goroutine
// at a time per object, as all goroutines of a process share one thread.
//
// Compiled for another system than Rugo, as `go vet` and unit tests do, the calls reach a kernel that the test
// supplies.
package sys
