package sys

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// call is a system call that the code made.
type call struct {
	number int
	args   [6]uintptr
}

// kernel lets serve answer system calls and returns those that were made.
func kernel(t *testing.T, serve func(number int, args [6]uintptr) int64) *[]call {
	made := new([]call)
	fakeKernel = func(number int, args [6]uintptr) int64 {
		*made = append(*made, call{number, args})
		return serve(number, args)
	}
	t.Cleanup(func() {
		fakeKernel, fakeWait, fakeStart, fakeAlone, fakeClosed, fakeBuffer = nil, nil, nil, true, nil, Message{}
	})
	return made
}

func results(list ...int64) func(int, [6]uintptr) int64 {
	return func(int, [6]uintptr) int64 {
		r := list[0]
		if len(list) > 1 {
			list = list[1:]
		}
		return r
	}
}

func TestStructuresHaveTheSizesOfTheContract(t *testing.T) {
	for name, sizes := range map[string][2]uintptr{
		"IpcMsg":      {unsafe.Sizeof(IpcMsg{}), 4096},
		"PortEvent":   {unsafe.Sizeof(PortEvent{}), 16},
		"ProcessInfo": {unsafe.Sizeof(ProcessInfo{}), 96},
		"CrashInfo":   {unsafe.Sizeof(CrashInfo{}), 384},
		"SvcInfo":     {unsafe.Sizeof(SvcInfo{}), 96},
		"StartHandle": {unsafe.Sizeof(StartHandle{}), 8},
	} {
		if sizes[0] != sizes[1] {
			t.Errorf("%s has %d bytes, not %d", name, sizes[0], sizes[1])
		}
	}
	if at := unsafe.Offsetof(IpcMsg{}.Data); at != 128 {
		t.Errorf("data begin at %d", at)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		err    Errno
		target error
		is     bool
	}{
		{ENOENT, fs.ErrNotExist, true}, {EEXIST, fs.ErrExist, true}, {EACCES, fs.ErrPermission, true},
		{EPERM, os.ErrPermission, true}, {EBADF, fs.ErrClosed, true}, {ETIMEDOUT, os.ErrDeadlineExceeded, true},
		{ENOSYS, errors.ErrUnsupported, true}, {EPIPE, EPIPE, true},
		{EPIPE, ECONNRESET, false}, {ENOENT, fs.ErrExist, false}, {EINVAL, errors.ErrUnsupported, false},
	} {
		if errors.Is(c.err, c.target) != c.is {
			t.Errorf("errors.Is(%v, %v) is %v", c.err, c.target, !c.is)
		}
	}
	if ENOENT.Error() != "no such file, name or process" || Errno(4000).Error() != "error 4000" {
		t.Errorf("%v, %v", ENOENT, Errno(4000))
	}
	if failure(0) != nil || failure(5) != nil || failure(-2) != ENOENT {
		t.Error("failure")
	}
	for err, want := range map[error]int32{ENODATA: -61, fs.ErrNotExist: -2, os.ErrExist: -17, errors.New("x"): -5, Errno(0): -5} {
		if got := number(err); got != want {
			t.Errorf("%v becomes %d, not %d", err, got, want)
		}
	}
}

func TestSystemCalls(t *testing.T) {
	made := kernel(t, results(0x40000001, 7, -int64(EMFILE), 3, 0))
	port, err := PortCreate()
	if err != nil || port != 0x40000001 {
		t.Errorf("PortCreate: %v %v", port, err)
	}
	events := make([]PortEvent, 4)
	n, err := port.Wait(events, 3*time.Microsecond)
	if err != nil || n != 7 {
		t.Errorf("Wait: %d %v", n, err)
	}
	if h, err := EndpointCreate(0); err != EMFILE || Handle(h) != HandleNone {
		t.Errorf("EndpointCreate: %v %v", h, err)
	}
	if n, err := Log(5).DebugWrite([]byte("abc")); err != nil || n != 3 {
		t.Errorf("DebugWrite: %d %v", n, err)
	}
	if err := port.Close(); err != nil || len(fakeClosed) != 1 || fakeClosed[0] != int32(port) {
		t.Errorf("Close: %v %v", err, fakeClosed)
	}
	want := []int{sysPortCreate, sysPortWait, sysEndpointCreate, sysDebugWrite, sysHandleClose}
	for i, c := range *made {
		if c.number != want[i] {
			t.Errorf("call %d is %#x, not %#x", i, c.number, want[i])
		}
	}
	if w := (*made)[1].args; w[0] != 0x40000001 || w[2] != 4 || w[3] != 3000 {
		t.Errorf("port_wait was given %v", w)
	}
}

func TestClient(t *testing.T) {
	kernel(t, func(number int, args [6]uintptr) int64 {
		m := &fakeBuffer
		if number != sysIpcCall || args[0] != 9 || m.op() != FileOpOpen || m.get32(4) != 3 || m.get32(8) != 0o644 {
			t.Errorf("call %#x of %v with %v", number, args, m.Bytes())
		}
		if s := string(m.Data[16 : m.Len-1]); s != "/a/b" || m.Data[m.Len-1] != 0 {
			t.Errorf("path %q", s)
		}
		m.begin(0, 8)
		m.put32(4, 0o100000)
		m.addHandle(77)
		return 0
	})
	h, kind, err := FileSession(9).Open(3, 0o644, "/a/b")
	if h != 77 || kind != 0o100000 || err != nil {
		t.Errorf("%v %o %v", h, kind, err)
	}
	for _, bad := range []string{strings.Repeat("x", stringMax+1), "a\x00b"} {
		if _, _, err := FileSession(9).Open(0, 0, bad); err != ENAMETOOLONG && err != EINVAL {
			t.Errorf("a path of %d bytes: %v", len(bad), err)
		}
	}
}

func TestAnswersAreNotTrusted(t *testing.T) {
	var answer func(m *Message)
	kernel(t, func(number int, args [6]uintptr) int64 {
		if number == sysIpcCall {
			answer(&fakeBuffer)
		}
		return 0
	})
	for name, c := range map[string]struct {
		answer func(m *Message)
		want   error
		closed int
	}{
		"empty":           {func(m *Message) { m.clear() }, EPROTO, 0},
		"refused":         {func(m *Message) { m.refuse(EISDIR) }, EISDIR, 0},
		"short":           {func(m *Message) { m.begin(0, 4) }, EPROTO, 0},
		"positive status": {func(m *Message) { m.begin(1, 8) }, EPROTO, 0},
		"no handle":       {func(m *Message) { m.begin(0, 8) }, EPROTO, 0},
		"two handles": {func(m *Message) {
			m.begin(0, 8)
			m.addHandle(5)
			m.addHandle(6)
		}, EPROTO, 2},
		"no room for it": {func(m *Message) {
			m.begin(0, 8)
			m.addHandle(-24)
		}, EMFILE, 0},
		"refused with a handle": {func(m *Message) {
			m.refuse(EIO)
			m.addHandle(5)
		}, EIO, 1},
	} {
		answer, fakeClosed = c.answer, nil
		_, _, err := FileSession(9).Open(0, 0, "x")
		if err != c.want || len(fakeClosed) != c.closed {
			t.Errorf("%s: %v, %d closed", name, err, len(fakeClosed))
		}
	}
}

type nothing struct {
	FileUnimplemented
	path string
	call *Call
}

func (n *nothing) Unlink(c *Call, flags uint32, path string) error {
	n.path = path
	return ENOENT
}

func (n *nothing) Sync(c *Call, all uint32) error {
	n.call = c
	return ErrLater
}

func request(op uint32, size int, text string) *Message {
	m := new(Message)
	m.begin(op, size)
	if text != "" {
		m.addString(8, text)
	}
	return m
}

func TestServer(t *testing.T) {
	made := kernel(t, results(0))
	server := &nothing{}
	good := request(FileOpUnlink, 12, "gone")
	short := request(FileOpUnlink, 8, "")
	long := request(FileOpUnlink, 12, "gone")
	long.Len++
	lying := request(FileOpUnlink, 12, "gone")
	lying.Data[8] = 200
	inside := request(FileOpUnlink, 12, "gone")
	inside.Data[13] = 0
	handle := request(FileOpUnlink, 12, "gone")
	handle.addHandle(3)
	for name, c := range map[string]struct {
		m       *Message
		handled bool
		status  Errno
	}{
		"good": {good, true, ENOENT}, "short": {short, true, EPROTO}, "long": {long, true, EPROTO},
		"a length that lies": {lying, true, EPROTO}, "a NUL inside": {inside, true, EPROTO},
		"a handle": {handle, true, EPROTO}, "unknown": {request(FileProtocol<<16|999, 4, ""), true, ENOSYS},
		"unimplemented": {request(FileOpStat, 4, ""), true, ENOSYS},
		"another":       {request(TtyProtocol<<16|1, 8, ""), false, 0}, "empty": {new(Message), false, 0},
	} {
		got := DispatchFile(&Call{Message: c.m}, server)
		if got != c.handled || got && Errno(-int32(c.m.get32(0))) != c.status {
			t.Errorf("%s: %v %v", name, got, c.m.Bytes())
		}
	}
	if server.path != "gone" || len(fakeClosed) != 1 || fakeClosed[0] != 3 {
		t.Errorf("path %q, closed %v", server.path, fakeClosed)
	}
	c := &Call{Message: request(FileOpSync, 8, ""), Endpoint: 4, Token: 99, answered: true}
	if !DispatchFile(c, server) || c.answered || server.call != c {
		t.Error("an answer that comes later")
	}
	if err := server.call.AnswerFileSync(EROFS); err != nil {
		t.Error(err)
	}
	last := (*made)[len(*made)-1]
	if last.number != sysIpcReply || last.args[1] != 99 || Errno(-int32(fakeBuffer.get32(0))) != EROFS {
		t.Errorf("answered by %v with %v", last, fakeBuffer.Bytes())
	}
}

// A service answers its supervisor, and stops only for it.
func TestOrders(t *testing.T) {
	fakeMessages := []Message{
		{Type: IpcSend, Badge: BadgeSupervisor}, {Type: IpcCall, Badge: BadgeClient, Token: 5},
		{Type: IpcClosed, Badge: 3, Session: 8}, {Type: IpcCall, Badge: BadgeSupervisor, Token: 6},
	}
	fakeMessages[0].begin(ServicePing, 4)
	fakeMessages[0].Type, fakeMessages[0].Badge = IpcSend, BadgeSupervisor
	for _, i := range []int{1, 3} {
		badge, token := fakeMessages[i].Badge, fakeMessages[i].Token
		fakeMessages[i].begin(ServiceOpStop, 4)
		fakeMessages[i].Type, fakeMessages[i].Badge, fakeMessages[i].Token = IpcCall, badge, token
	}
	var answers []Errno
	alives := 0
	kernel(t, func(number int, args [6]uintptr) int64 {
		switch number {
		case sysIpcSend:
			if args[0] == 12 && fakeBuffer.op() == ServiceAlive {
				alives++
			}
		case sysIpcReply, sysIpcReplyRecv:
			if args[1] != 0 {
				answers = append(answers, Errno(-int32(fakeBuffer.get32(0))))
			}
			if number == sysIpcReplyRecv {
				if len(fakeMessages) == 0 {
					return -int64(EPIPE)
				}
				copyMessage(&fakeBuffer, &fakeMessages[0])
				fakeMessages = fakeMessages[1:]
			}
		}
		return 0
	})
	fakeStart = []StartHandle{{Kind: StartNames, Handle: 12}, {Kind: StartEndpoint, Handle: 13}}
	stopped, closed := 0, uint64(0)
	s := Server{Stop: func() { stopped++ }, Closed: func(badge, session uint64) { closed = session }}
	if err := s.Run(); err != nil {
		t.Error(err)
	}
	if alives != 1 || stopped != 1 || closed != 8 || s.Endpoint != 13 {
		t.Errorf("alive %d, stopped %d, closed %d, at %d", alives, stopped, closed, s.Endpoint)
	}
	if len(answers) != 2 || answers[0] != EACCES || answers[1] != 0 {
		t.Errorf("answers %v", answers)
	}
	fakeMessages = nil
	if err := s.Run(); err != EPIPE {
		t.Errorf("without an endpoint: %v", err)
	}
}

// When other goroutines could run, waiting is the scheduler's; the answer is given once.
func TestReceivingBesideOthers(t *testing.T) {
	waits := 0
	made := kernel(t, results(-int64(EAGAIN), -int64(EAGAIN), 0, -int64(EAGAIN)))
	fakeAlone = false
	fakeWait = func(handle int32, events uint32, timeout int64) int64 {
		if handle != 13 || events != EvReadable || timeout > int64(time.Hour) {
			t.Errorf("waits for %x of %d, %d ns", events, handle, timeout)
		}
		waits++
		return EvReadable
	}
	m := new(Message)
	if err := Endpoint(13).ReplyRecv(42, m, m, time.Hour); err != nil || waits != 2 {
		t.Errorf("%v after %d waits", err, waits)
	}
	for i, c := range *made {
		if c.args[2] != IpcNonblock || (i == 0) != (c.args[1] == 42) {
			t.Errorf("call %d: %v", i, c)
		}
	}
	if err := Endpoint(13).Recv(m, 0); err != ETIMEDOUT || waits != 2 {
		t.Errorf("%v after %d waits", err, waits)
	}
}

func TestConnect(t *testing.T) {
	kernel(t, results(-int64(EPIPE)))
	if _, err := Connect("x"); err != ENOENT {
		t.Errorf("without a session to svcman: %v", err)
	}
	fakeStart = []StartHandle{{Kind: StartNames, Handle: 12}}
	if _, err := Connect("x"); err != EPIPE {
		t.Errorf("%v", err)
	}
	if StartOf(StartRoot) != HandleNone {
		t.Error("a handle that was not given")
	}
}
