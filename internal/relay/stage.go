package relay

import "errors"

// Stage is how far an exchange had come when it failed.
type Stage string

// The stages, in their order.
const (
	Connecting Stage = "connect"
	Securing   Stage = "tls"
	Writing    Stage = "write"  // of the request
	Heading    Stage = "header" // waiting for the answer's
	Reading    Stage = "body"   // of the answer
)

// StageError tells at which stage err came about, where that is not [Heading].
type StageError struct {
	Stage Stage
	Err   error
}

// Error implements error.
func (e *StageError) Error() string { return e.Err.Error() }

// Unwrap returns what went wrong.
func (e *StageError) Unwrap() error { return e.Err }

// StageOf returns the stage of an error of [Client.Do].
func StageOf(err error) Stage {
	var at *StageError
	if errors.As(err, &at) {
		return at.Stage
	}
	return Heading
}

// Unsent reports whether an error of [Client.Do] tells that not a byte of the
// request was sent.
func Unsent(err error) bool {
	var at *StageError
	return errors.Is(err, errNothingSent) || errors.As(err, &at) && (at.Stage == Connecting || at.Stage == Securing)
}
