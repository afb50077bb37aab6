package sys

// StartOf returns the first handle of a kind (StartNames, …) that the process was started with, or HandleNone.
func StartOf(kind uint32) Handle {
	for _, s := range startHandles() {
		if s.Kind == kind {
			return Handle(s.Handle)
		}
	}
	return HandleNone
}

// Connect returns a new session to the service of that name. A name that the program's configuration does not grant is
// ENOENT, as one that does not exist.
func Connect(name string) (Session, error) {
	names := StartOf(StartNames)
	if names == HandleNone {
		return Session(HandleNone), ENOENT
	}
	h, err := SvcmanSession(names).Connect(name)
	if err != nil {
		return Session(HandleNone), err
	}
	return Session(h), nil
}

// Ready tells svcman that the service can serve.
func Ready() error {
	return SvcmanSession(StartOf(StartNames)).Ready()
}
