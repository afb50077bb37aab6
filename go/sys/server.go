package sys

import "errors"

// ErrLater is what an operation returns that will answer its call itself, one day; until then it keeps the *Call. Its
// Message is the next call's by then.
var ErrLater = errors.New("the call is answered later")

// Call is a received call, as an operation of a server sees it.
type Call struct {
	Message  *Message // the request; then the answer
	Endpoint Endpoint // where it came in
	Token    uint64   // names the call, until it is answered
	Badge    uint64   // of the session, as given to SessionCreate
	Session  uint64   // id of the session at the endpoint
	InLen    uint64   // bytes that ReadIn can read
	OutLen   uint64   // bytes that WriteOut can write
	answered bool
}

// ReadIn copies from the caller's buffer, from offset on; short at its end.
func (c *Call) ReadIn(offset uint64, b []byte) (int, error) {
	return c.Endpoint.MsgRead(c.Token, offset, b)
}

// WriteOut copies into the caller's buffer, from offset on; short at its end.
func (c *Call) WriteOut(offset uint64, b []byte) (int, error) {
	return c.Endpoint.MsgWrite(c.Token, offset, b)
}

// Answer makes these bytes the answer, for servers whose protocol is not generated.
func (c *Call) Answer(data []byte) error {
	c.answered = true
	return c.Message.SetBytes(data)
}

// Echo makes the request itself the answer; its handles are closed.
func (c *Call) Echo() error {
	c.Message.closeHandles()
	c.Message.Nhandles, c.Message.Move = 0, 0
	return nil
}

// Server receives on an endpoint and lets calls be answered, one after another.
type Server struct {
	// Endpoint is where it receives; 0: the one that svcman gave the service (StartEndpoint).
	Endpoint Endpoint
	// Dispatch answers a call, by a protocol's Dispatch function or with Answer. False: the call is none it knows.
	Dispatch func(c *Call) bool
	// Closed is told of a session whose last handle has been closed. It may be nil.
	Closed func(badge, session uint64)
	// Sent is told of a one-way message. It may be nil.
	Sent func(m *Message)
	// Stop is called when svcman asks the service to end; Run returns nil after it. It may be nil.
	Stop func()

	call *Call // the last one, if it was answered
}

// Run serves until the service is asked to stop, or its endpoint is gone.
func (s *Server) Run() error {
	if s.Endpoint == 0 {
		s.Endpoint = Endpoint(StartOf(StartEndpoint))
	}
	m := new(Message)
	token := uint64(0)
	for {
		err := s.Endpoint.ReplyRecv(token, m, m, Never)
		token = 0
		if err == nil {
			var stop bool
			if token, stop = s.handle(m); stop {
				return s.Endpoint.Reply(token, m)
			}
		} else if err != EINTR {
			return err
		}
	}
}

// handle deals with a message. The token of the call whose answer is in m; 0: there is nothing to answer. stop: the
// answer is the last.
func (s *Server) handle(m *Message) (token uint64, stop bool) {
	switch m.Type {
	case IpcCall:
		return s.answer(m)
	case IpcSend:
		if m.Badge == BadgeSupervisor && m.op() == ServicePing {
			alive()
		} else if s.Sent != nil {
			s.Sent(m)
		}
		m.closeHandles()
	case IpcClosed:
		if s.Closed != nil {
			s.Closed(m.Badge, m.Session)
		}
	}
	return 0, false
}

func (s *Server) answer(m *Message) (token uint64, stop bool) {
	c := s.call
	if c == nil {
		c = new(Call)
		s.call = c
	}
	*c = Call{Message: m, Endpoint: s.Endpoint, Token: m.Token, Badge: m.Badge, Session: m.Session, InLen: m.InLen,
		OutLen: m.OutLen, answered: true}
	if m.op()>>16 == ServiceProtocol {
		return c.Token, s.order(c)
	}
	if s.Dispatch == nil || !s.Dispatch(c) {
		m.closeHandles()
		m.refuse(ENOSYS)
	}
	if !c.answered {
		s.call = nil // it is the operation's now
		return 0, false
	}
	return c.Token, false
}

// orders is what every service answers to its supervisor.
type orders struct{ ServiceUnimplemented }

func (orders) Stop(c *Call) error {
	if c.Badge != BadgeSupervisor {
		return EACCES
	}
	return nil
}

// order says whether the service is to stop.
func (s *Server) order(c *Call) bool {
	stops := c.Message.op() == ServiceOpStop && c.Badge == BadgeSupervisor
	DispatchService(c, orders{})
	if !stops || int32(c.Message.get32(0)) != 0 {
		return false
	}
	if s.Stop != nil {
		s.Stop()
	}
	return true
}

// alive answers svcman's question whether the service hangs.
func alive() {
	names := Session(StartOf(StartNames))
	if names == Session(HandleNone) {
		return
	}
	m := messageGet()
	defer messagePut(m)
	m.begin(ServiceAlive, 4)
	_ = names.Send(m) // without credit the last answer still waits to be read
}
