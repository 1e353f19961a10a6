// Package pkcs11 is a [keyring.Vault] in a hardware security module that speaks
// PKCS #11: signing keys are made in it, never leave it, and it signs with them.
//
// [Open] loads the module and logs in to one of its tokens. A key is made as a
// pair of token objects, sensitive and not extractable, and is found again by a
// PKCS #11 URI (RFC 7512), so that every node whose module reaches the same token
// uses the same key.
//
// Invariants:
//
//   - At most [Config].Sessions signatures are under way at once; who waits longer
//     than [Config].Patience for a turn gets an error, not a queue.
//   - A session that the module has lost is replaced, and what was asked is asked
//     once more. Any other fault is an error for whoever asked.
//   - The PIN goes to the module and nowhere else.
//
// It calls C, so it is there only in a program that was built with cgo; in another
// one [Open] says so. It does not end the module (C_Finalize): a process has one of
// each, and others in it may be using it.
package pkcs11

import (
	"errors"
	"runtime"
	"time"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// What a module is for.
var _ keyring.Vault = (*Module)(nil)

// Config says which token, and how it is used.
type Config struct {
	Module   string // path of the module, a shared library
	Token    string // label of the token
	PIN      secret.String
	Sessions int           // at most; default: two for each core
	Patience time.Duration // how long a signature waits for its turn; default 2 s
}

const (
	sessionsPerCore = 2
	defaultPatience = 2 * time.Second
)

// check fills in the defaults.
func (c Config) check() (Config, error) {
	if c.Module == "" || c.Token == "" || c.PIN.Reveal() == "" {
		return c, errors.New("pkcs11: Module, Token and PIN must be set")
	}
	if c.Sessions <= 0 {
		c.Sessions = sessionsPerCore * runtime.GOMAXPROCS(0)
	}
	if c.Patience <= 0 {
		c.Patience = defaultPatience
	}
	return c, nil
}
