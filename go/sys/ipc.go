package sys

import "time"

// Never is the time-out that does not happen.
const Never = time.Duration(TimeoutNever)

// Call sends m and waits for the answer, which replaces it. timeout holds until the message is received; then the server
// is told to answer soon. EPIPE: it was never received. ECONNRESET: it was, and the outcome is unknown.
func (s Session) Call(m *Message, timeout time.Duration) error {
	return failure(blockCall(int32(s), m, int64(timeout)))
}

// transact makes a call of a protocol: an answer of size bytes with so many handles is expected. After an error no
// handle is left open.
func (s Session) transact(m *Message, size, handles int) error {
	if err := s.Call(m, Never); err != nil {
		return err
	}
	err := m.checkAnswer(size, handles)
	if err != nil {
		m.closeHandles()
	}
	return err
}

// Send queues m, one-way. EAGAIN: as many messages wait as the session may have (IpcSendCredit).
func (s Session) Send(m *Message) error {
	b := buffer()
	copyMessage(b, m)
	return failure(syscall(sysIpcSend, uintptr(s), IpcNonblock, 0, 0, 0, 0))
}

// Recv waits for a message. ETIMEDOUT: none came in time; a time-out of 0 does not wait.
func (ep Endpoint) Recv(m *Message, timeout time.Duration) error {
	return ep.ReplyRecv(0, nil, m, timeout)
}

// Reply answers the call that token names. ESRCH: its caller is gone.
func (ep Endpoint) Reply(token uint64, answer *Message) error {
	copyMessage(buffer(), answer)
	return failure(syscall(sysIpcReply, uintptr(ep), uintptr(token), 0, 0, 0, 0))
}

// ReplyRecv answers the call that token names, if it is not 0, and waits for the next message, which goes into m; answer
// and m may be the same. That the caller is gone is no error.
func (ep Endpoint) ReplyRecv(token uint64, answer, m *Message, timeout time.Duration) error {
	b := buffer()
	if token != 0 {
		copyMessage(b, answer)
	}
	var r int64
	if alone() {
		r = syscall(sysIpcReplyRecv, uintptr(ep), uintptr(token), 0, uintptr(timeout), 0, 0)
	} else {
		r = ep.pollRecv(token, timeout)
	}
	if r < 0 {
		return failure(r)
	}
	copyMessage(m, b)
	return nil
}

// pollRecv leaves the waiting to the scheduler.
func (ep Endpoint) pollRecv(token uint64, timeout time.Duration) int64 {
	var end time.Time
	if timeout > 0 {
		end = time.Now().Add(timeout)
	}
	for {
		r := syscall(sysIpcReplyRecv, uintptr(ep), uintptr(token), IpcNonblock, 0, 0, 0)
		if r != -int64(EAGAIN) {
			return r
		}
		token = 0
		if timeout > 0 {
			timeout = max(time.Until(end), 0)
		}
		if timeout == 0 {
			return -int64(ETIMEDOUT)
		}
		if r = wait(int32(ep), EvReadable, int64(timeout)); r < 0 {
			return r
		}
	}
}

// Wait waits until one of events (EvReadable, …) is there on a handle, and returns those that are.
func (h Handle) Wait(events uint32, timeout time.Duration) (uint32, error) {
	r := wait(int32(h), events, int64(timeout))
	if r < 0 {
		return 0, failure(r)
	}
	return uint32(r), nil
}
