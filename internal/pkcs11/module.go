//go:build cgo

package pkcs11

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/pkcs11"

	"github.com/sallyport-dev/sallyport/internal/keyring"
)

// Module is a token that we are logged in to.
type Module struct {
	Config
	lib  *pkcs11.Ctx
	slot uint
	// turns holds the sessions that nobody uses; 0 stands for one to be opened.
	turns chan pkcs11.SessionHandle
}

// Open loads the module and logs in.
func Open(c Config) (*Module, error) {
	c, err := c.check()
	if err != nil {
		return nil, err
	}
	lib := pkcs11.New(c.Module)
	if lib == nil {
		return nil, fmt.Errorf("load the PKCS #11 module %s: it is not there, or is no library for this program", c.Module)
	}
	if err := lib.Initialize(); err != nil && !is(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		return nil, fmt.Errorf("initialize the PKCS #11 module %s: %w", c.Module, err)
	}
	m := &Module{Config: c, lib: lib, turns: make(chan pkcs11.SessionHandle, c.Sessions)}
	if m.slot, err = m.findSlot(); err != nil {
		return nil, err
	}
	for range c.Sessions {
		m.turns <- 0
	}
	// The first session now: a wrong PIN is found at the start.
	return m, m.do(context.Background(), func(pkcs11.SessionHandle) error { return nil })
}

// is reports whether err is one of those answers of a module.
func is(err error, answers ...uint) bool {
	var code pkcs11.Error
	if !errors.As(err, &code) {
		return false
	}
	for _, answer := range answers {
		if uint(code) == answer {
			return true
		}
	}
	return false
}

func (m *Module) findSlot() (uint, error) {
	slots, err := m.lib.GetSlotList(true)
	if err != nil {
		return 0, fmt.Errorf("list the slots of the PKCS #11 module: %w", err)
	}
	labels := []string{}
	for _, slot := range slots {
		info, err := m.lib.GetTokenInfo(slot)
		if err != nil {
			continue // a slot that cannot be read is not the one
		}
		if info.Label == m.Token {
			return slot, nil
		}
		if info.Label != "" {
			labels = append(labels, info.Label)
		}
	}
	return 0, fmt.Errorf("the PKCS #11 module %s has no token %q; it has %q", m.Module, m.Token, labels)
}

// session opens a session that is logged in.
func (m *Module) session() (pkcs11.SessionHandle, error) {
	s, err := m.lib.OpenSession(m.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return 0, fmt.Errorf("open a session with the token: %w", err)
	}
	// One log-in is for all sessions of the process.
	err = m.lib.Login(s, pkcs11.CKU_USER, m.PIN.Reveal())
	switch {
	case err == nil, is(err, pkcs11.CKR_USER_ALREADY_LOGGED_IN):
		return s, nil
	case is(err, pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE, pkcs11.CKR_PIN_LOCKED):
		err = fmt.Errorf("the token refuses the PIN (keys.pkcs11.pin): %w", err)
	default:
		err = fmt.Errorf("log in to the token: %w", err)
	}
	return 0, errors.Join(err, m.lib.CloseSession(s))
}

// do runs use with a session of its own, and once more if that session was lost.
func (m *Module) do(ctx context.Context, use func(pkcs11.SessionHandle) error) (err error) {
	timer := time.NewTimer(m.Patience)
	defer timer.Stop()
	var s pkcs11.SessionHandle
	select {
	case s = <-m.turns:
	case <-timer.C:
		return errors.New("the token is busy: all sessions are in use")
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { m.turns <- s }()
	for range 2 {
		if s == 0 {
			if s, err = m.session(); err != nil {
				return err
			}
		}
		if err = use(s); err == nil || !lost(err) {
			return err
		}
		_ = m.lib.CloseSession(s) // it is gone, or in a state that nobody knows
		s = 0
	}
	return err
}

// lost reports whether a session is of no use any more after err.
func lost(err error) bool {
	return is(err, pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_USER_NOT_LOGGED_IN, pkcs11.CKR_OBJECT_HANDLE_INVALID,
		pkcs11.CKR_KEY_HANDLE_INVALID, pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_DEVICE_ERROR,
		pkcs11.CKR_OPERATION_ACTIVE, pkcs11.CKR_GENERAL_ERROR)
}

// idSize is how long the CKA_ID of a key is.
const idSize = 16

// Make implements [keyring.Vault].
func (m *Module) Make(ctx context.Context, alg keyring.Algorithm) (string, crypto.Signer, error) {
	kind, ok := kinds()[alg]
	if !ok {
		return "", nil, fmt.Errorf("no PKCS #11 key signs with %s", alg)
	}
	id := make([]byte, idSize)
	_, _ = rand.Read(id) // never fails: crypto/rand
	where := reference{m.Token, id}
	both := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_ID, id),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, where.label(string(alg))),
	}
	public := append(append([]*pkcs11.Attribute{}, both...), append(kind.parameters, pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true))...)
	private := append(append([]*pkcs11.Attribute{}, both...),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true), pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false), pkcs11.NewAttribute(pkcs11.CKA_SIGN, true))
	err := m.do(ctx, func(s pkcs11.SessionHandle) error {
		_, _, err := m.lib.GenerateKeyPair(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(kind.generate, nil)}, public, private)
		return err
	})
	switch {
	case is(err, pkcs11.CKR_MECHANISM_INVALID, pkcs11.CKR_MECHANISM_PARAM_INVALID, pkcs11.CKR_ATTRIBUTE_TYPE_INVALID, pkcs11.CKR_ATTRIBUTE_VALUE_INVALID):
		return "", nil, fmt.Errorf("the token %q cannot make keys for %s; choose another algorithm: %w", m.Token, alg, err)
	case err != nil:
		return "", nil, fmt.Errorf("make a key in the token %q: %w", m.Token, err)
	}
	signer, err := m.Open(ctx, where.String())
	return where.String(), signer, err
}

// Open implements [keyring.Vault].
func (m *Module) Open(ctx context.Context, uri string) (crypto.Signer, error) {
	where, err := parseReference(uri)
	if err != nil {
		return nil, err
	}
	if where.token != m.Token {
		return nil, fmt.Errorf("the key is in the token %q, and keys.pkcs11.token is %q", where.token, m.Token)
	}
	k := &signer{module: m, id: where.id}
	err = m.do(ctx, func(s pkcs11.SessionHandle) error {
		if _, err := m.find(s, pkcs11.CKO_PRIVATE_KEY, where.id); err != nil {
			return err
		}
		public, err := m.find(s, pkcs11.CKO_PUBLIC_KEY, where.id)
		if err != nil {
			return err
		}
		k.public, k.kind, err = m.readPublic(s, public)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open the key %s: %w", uri, err)
	}
	return k, nil
}

// Remove implements [keyring.Vault].
func (m *Module) Remove(ctx context.Context, uri string) error {
	where, err := parseReference(uri)
	if err != nil || where.token != m.Token {
		return errors.Join(errReference, err)
	}
	return m.do(ctx, func(s pkcs11.SessionHandle) error {
		for _, class := range []uint{pkcs11.CKO_PRIVATE_KEY, pkcs11.CKO_PUBLIC_KEY} {
			object, err := m.find(s, class, where.id)
			if err == nil {
				err = m.lib.DestroyObject(s, object)
			}
			if err != nil {
				return fmt.Errorf("remove the key %s: %w", uri, err)
			}
		}
		return nil
	})
}

// find returns the object of a class with that id. Two of them are as bad as none.
func (m *Module) find(s pkcs11.SessionHandle, class uint, id []byte) (pkcs11.ObjectHandle, error) {
	err := m.lib.FindObjectsInit(s, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, class), pkcs11.NewAttribute(pkcs11.CKA_ID, id),
	})
	if err != nil {
		return 0, err
	}
	found, _, err := m.lib.FindObjects(s, 2)
	if err := errors.Join(err, m.lib.FindObjectsFinal(s)); err != nil {
		return 0, err
	}
	if len(found) != 1 {
		return 0, fmt.Errorf("the token has %d such objects", len(found))
	}
	return found[0], nil
}

// Close ends the sessions that nobody uses; the module stays loaded.
func (m *Module) Close() error {
	var errs []error
	for range m.Sessions {
		select {
		case s := <-m.turns:
			if s != 0 {
				errs = append(errs, m.lib.CloseSession(s))
			}
		default: // in use: its user's process is about to end
		}
	}
	return errors.Join(errs...)
}
