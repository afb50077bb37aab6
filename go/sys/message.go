package sys

import (
	"encoding/binary"
	"strings"
	"unsafe"
)

// Message is a message as it lies in a thread's message buffer. What was received into one stays there until it is
// used again; the kernel's buffer is left at once.
type Message = IpcMsg

const (
	messageHead = unsafe.Offsetof(Message{}.Data)
	stringMax   = 1900 // bytes of a string, its NUL not counted
)

// Messages that are not in use: they have a page each.
var messagesFree []*Message

func messageGet() *Message {
	n := len(messagesFree)
	if n == 0 {
		return new(Message)
	}
	m := messagesFree[n-1]
	messagesFree = messagesFree[:n-1]
	return m
}

func messagePut(m *Message) {
	const kept = 16
	if len(messagesFree) < kept {
		messagesFree = append(messagesFree, m)
	}
}

// copyMessage copies header and data, as far as the message goes.
func copyMessage(to, from *Message) {
	n := min(int(from.Len), IpcDataMax)
	*(*[messageHead]byte)(unsafe.Pointer(to)) = *(*[messageHead]byte)(unsafe.Pointer(from))
	copy(to.Data[:n], from.Data[:n])
}

// Bytes returns the data of the message.
func (m *Message) Bytes() []byte { return m.Data[:min(int(m.Len), IpcDataMax)] }

// SetBytes makes m a message of these data without handles. E2BIG: they are too many.
func (m *Message) SetBytes(data []byte) error {
	if len(data) > IpcDataMax {
		return E2BIG
	}
	m.clear()
	m.Len = uint32(copy(m.Data[:], data))
	return nil
}

func (m *Message) clear() { *(*[messageHead]byte)(unsafe.Pointer(m)) = [messageHead]byte{} }

// begin makes m a message whose fixed part has size bytes; the first word is an operation's code or a status.
func (m *Message) begin(word uint32, size int) {
	m.clear()
	clear(m.Data[:size])
	m.Len = uint32(size)
	m.put32(0, word)
}

func (m *Message) put32(at int, v uint32) { binary.LittleEndian.PutUint32(m.Data[at:], v) }
func (m *Message) put64(at int, v uint64) { binary.LittleEndian.PutUint64(m.Data[at:], v) }
func (m *Message) get32(at int) uint32    { return binary.LittleEndian.Uint32(m.Data[at:]) }
func (m *Message) get64(at int) uint64    { return binary.LittleEndian.Uint64(m.Data[at:]) }

// addString appends a string with its NUL; its length goes to offset at.
func (m *Message) addString(at int, s string) error {
	if len(s) > stringMax {
		return ENAMETOOLONG
	}
	if strings.IndexByte(s, 0) >= 0 {
		return EINVAL
	}
	binary.LittleEndian.PutUint16(m.Data[at:], uint16(len(s)))
	n := copy(m.Data[m.Len:], s)
	m.Data[int(m.Len)+n] = 0
	m.Len += uint32(n) + 1
	return nil
}

func (m *Message) addHandle(h Handle) {
	m.Handles[m.Nhandles] = int32(h)
	m.Nhandles++
}

// moveHandle gives a handle away: it closes here when the message is delivered.
func (m *Message) moveHandle(h Handle) {
	m.Move |= 1 << m.Nhandles
	m.addHandle(h)
}

func (m *Message) setIn(b []byte) {
	m.InAddr, m.InLen = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), uint64(len(b))
}

func (m *Message) setOut(b []byte) {
	m.OutAddr, m.OutLen = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), uint64(len(b))
}

// op is the operation's code; 0, which no protocol has, if the message is too short for one.
func (m *Message) op() uint32 {
	if m.Len < 4 || m.Len > IpcDataMax {
		return 0
	}
	return m.get32(0)
}

// refuse makes m the answer that says err; false: err is nil.
func (m *Message) refuse(err error) bool {
	if err == nil {
		return false
	}
	m.begin(uint32(number(err)), 4)
	return true
}

// closeHandles closes what came with a message that is not wanted.
func (m *Message) closeHandles() {
	if m.Nhandles == 0 {
		return
	}
	for _, h := range m.Handles[:min(m.Nhandles, IpcHandleMax)] {
		if h >= 0 {
			Handle(h).Close()
		}
	}
}

// checkHandles: exactly n handles came, and all found room.
func (m *Message) checkHandles(n int) error {
	if int(m.Nhandles) != n {
		return EPROTO
	}
	for _, h := range m.Handles[:n] {
		if h < 0 {
			return EMFILE
		}
	}
	return nil
}

// take checks a request: its fixed part is there, and its handles. The offset of its strings.
func (m *Message) take(size, handles int) (int, error) {
	if int(m.Len) < size {
		return 0, EPROTO
	}
	return size, m.checkHandles(handles)
}

// takeString takes the string whose length is at offset lenAt and which lies at offset rest; the offset behind it.
func (m *Message) takeString(lenAt, rest int) (string, int, error) {
	n := int(binary.LittleEndian.Uint16(m.Data[lenAt:]))
	if n > stringMax {
		return "", rest, ENAMETOOLONG
	}
	if rest+n >= int(m.Len) || m.Data[rest+n] != 0 {
		return "", rest, EPROTO
	}
	s := string(m.Data[rest : rest+n])
	if strings.IndexByte(s, 0) >= 0 {
		return "", rest, EPROTO
	}
	return s, rest + n + 1, nil
}

// checkAnswer is the server's status, or what is wrong with its answer.
func (m *Message) checkAnswer(size, handles int) error {
	if m.Len < 4 {
		return EPROTO
	}
	if status := int32(m.get32(0)); status < 0 {
		return Errno(-status)
	} else if status > 0 || int(m.Len) != size {
		return EPROTO
	}
	return m.checkHandles(handles)
}
