// goipc: package sys against the kernel. Goroutines of one process serve and call each other, and a service.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"rugo/sys"
)

func check(ok bool, format string, args ...any) {
	if !ok {
		fmt.Printf("GOIPC: wrong: "+format+"\n", args...)
		os.Exit(1)
	}
}

func must[T any](value T, err error) T {
	check(err == nil, "%v", err)
	return value
}

// files serves protocol `file` with one file, whose text is what was written.
type files struct {
	sys.FileUnimplemented
	text   []byte
	closed int
	later  []*sys.Call
}

func (f *files) Open(c *sys.Call, flags, mode uint32, path string) (sys.Handle, uint32, error) {
	if path != "/only" {
		return sys.HandleNone, 0, fs.ErrNotExist
	}
	var id uint64
	s, err := c.Endpoint.SessionCreate(c.Badge+1, 0, &id)
	return sys.Handle(s), flags + mode, err
}

func (f *files) Read(c *sys.Call, offset int64) (uint64, error) {
	if offset < 0 {
		f.later = append(f.later, c)
		return 0, sys.ErrLater
	}
	n, err := c.WriteOut(0, f.text[min(int(offset), len(f.text)):])
	return uint64(n), err
}

func (f *files) Write(c *sys.Call, offset int64) (uint64, error) {
	f.text = make([]byte, c.InLen)
	n, err := c.ReadIn(0, f.text)
	for _, l := range f.later {
		check(l.AnswerFileRead(uint64(n), nil) == nil, "a late answer")
	}
	f.later = nil
	return uint64(n), err
}

func serve(badge uint64) (*files, sys.FileSession) {
	f := &files{}
	ep := must(sys.EndpointCreate(0))
	var id uint64
	session := must(ep.SessionCreate(badge, 0, &id))
	server := sys.Server{
		Endpoint: ep,
		Dispatch: func(c *sys.Call) bool { return sys.DispatchFile(c, f) },
		Closed:   func(uint64, uint64) { f.closed++ },
	}
	go func() {
		err := server.Run()
		check(err == sys.EPIPE || err == sys.EBADF, "the server ended with %v", err)
	}()
	return f, sys.FileSession(session)
}

func protocol() {
	f, dir := serve(10)
	file, kind, err := dir.Open(3, 4, "/only")
	check(err == nil && kind == 7, "open %v %d", err, kind)
	text := bytes.Repeat([]byte("rugo "), 3000)
	n, err := sys.FileSession(file).Write(0, text)
	check(err == nil && n == uint64(len(text)), "wrote %d %v", n, err)
	back := make([]byte, 20000)
	n, err = dir.Read(5, back)
	check(err == nil && bytes.Equal(back[:n], text[5:]), "read %d %v", n, err)

	_, _, err = dir.Open(0, 0, "/other")
	check(errors.Is(err, fs.ErrNotExist) && err == sys.ENOENT, "open of nothing: %v", err)
	check(errors.Is(dir.Sync(0), errors.ErrUnsupported), "what is not served")
	_, _, err = dir.Open(0, 0, string(make([]byte, 2000)))
	check(err == sys.ENAMETOOLONG, "a long name: %v", err)
	check(sys.SvcmanSession(dir).Ready() == sys.ENOSYS, "another protocol")
	check(file.Close() == nil, "close")
	for f.closed == 0 {
		time.Sleep(time.Millisecond)
	}
	check(file.Close() == sys.EBADF, "closed twice")
	check(errors.Is(file.Close(), fs.ErrClosed), "ErrClosed")
}

// Readers wait for an answer that only a writer brings, on several servers at once, while a ticker goes on.
func concurrent() {
	ticks := 0
	stop := false
	go func() {
		for !stop {
			time.Sleep(time.Millisecond)
			ticks++
		}
	}()
	done := make(chan uint64)
	const servers, readers = 4, 5
	for i := 0; i < servers; i++ {
		f, dir := serve(uint64(i))
		for j := 0; j < readers; j++ {
			go func() {
				n, err := dir.Read(-1, nil)
				check(err == nil, "%v", err)
				done <- n
			}()
		}
		go func() {
			for len(f.later) < readers {
				time.Sleep(time.Millisecond)
			}
			n := must(dir.Write(0, make([]byte, 10+i)))
			check(n == uint64(10+i), "wrote %d", n)
		}()
	}
	sum := uint64(0)
	for i := 0; i < servers*readers; i++ {
		sum += <-done
	}
	before := ticks
	for ticks < before+3 {
		time.Sleep(time.Millisecond)
	}
	stop = true
	check(sum == readers*(10+11+12+13), "answers make %d", sum)
}

func timeouts() {
	ep := must(sys.EndpointCreate(0))
	m := new(sys.Message)
	check(ep.Recv(m, 0) == sys.ETIMEDOUT, "nothing was there")
	begin := time.Now()
	err := ep.Recv(m, 3*time.Millisecond)
	check(errors.Is(err, os.ErrDeadlineExceeded) && time.Since(begin) >= 3*time.Millisecond, "%v in %v", err, time.Since(begin))
	var id uint64
	session := must(ep.SessionCreate(1, 0, &id))
	check(session.Call(m, 2*time.Millisecond) == sys.ETIMEDOUT, "a call that nobody receives")
	// Somebody else's close is seen by who waits.
	got := make(chan error)
	go func() { got <- ep.Recv(new(sys.Message), sys.Never) }()
	time.Sleep(2 * time.Millisecond)
	check(ep.Close() == nil, "close")
	err = <-got
	check(err == sys.EBADF || err == sys.EPIPE, "receiving at a closed endpoint: %v", err)
	check(session.Call(m, sys.Never) == sys.EPIPE, "a call without a server")
	timer := must(sys.TimerCreate())
	check(timer.Set(must(sys.TimeNow(sys.ClockMonotonic))+2e6, 0) == nil, "timer")
	events, err := sys.Handle(timer).Wait(sys.EvTimer, time.Second)
	check(err == nil && events == sys.EvTimer, "timer %x %v", events, err)
}

// A Go client of svcman and of a service in another process.
func services() {
	names := sys.SvcmanSession(sys.StartOf(sys.StartNames))
	_, err := sys.Connect("nobody")
	check(errors.Is(err, fs.ErrNotExist), "connect to nobody: %v", err)
	check(names.Restart("nobody") == sys.ENOENT, "restart of nobody")
	buf := make([]byte, 4096)
	count, err := names.List(buf)
	check(err == nil && bytes.Contains(buf[:96*count], []byte("goecho\x00")), "list of %d services: %v", count, err)
	echo := must(sys.Connect("goecho"))
	m := new(sys.Message)
	for i := 0; i < 100; i++ {
		text := fmt.Sprintf("message %d %s", i, os.Getenv("NONCE"))
		check(m.SetBytes([]byte(text)) == nil, "set")
		check(echo.Call(m, sys.Never) == nil && string(m.Bytes()) == text, "echo of %q is %q", text, m.Bytes())
	}
	check(m.SetBytes(make([]byte, sys.IpcDataMax+1)) == sys.E2BIG, "a long message")
	// The session outlives the process behind it.
	check(names.Restart("goecho") == nil, "restart")
	check(m.SetBytes([]byte("again")) == nil, "set")
	check(echo.Call(m, sys.Never) == nil && string(m.Bytes()) == "again", "echo after the restart")
}

func main() {
	for _, c := range []struct {
		name string
		run  func()
	}{{"services", services}, {"protocol", protocol}, {"concurrent", concurrent}, {"timeouts", timeouts}} {
		c.run()
		fmt.Printf("GOIPC: %s\n", c.name)
	}
	fmt.Printf("GOIPC: ok nonce=%s\n", os.Getenv("NONCE"))
}
