//go:build cgo

package pkcs11_test

import (
	"crypto"
	"crypto/sha256"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/pkcs11"
	"github.com/sallyport-dev/sallyport/internal/pkcs11/softhsm"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

func config(token softhsm.Token) pkcs11.Config {
	return pkcs11.Config{Module: token.Module, Token: token.Label, PIN: secret.New(token.PIN), Sessions: 3}
}

func open(t *testing.T, c pkcs11.Config) *pkcs11.Module {
	t.Helper()
	m, err := pkcs11.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func TestAKeyIsMadeInTheTokenAndFoundAgain(t *testing.T) {
	token := softhsm.New(t)
	m := open(t, config(token))
	for _, alg := range []keyring.Algorithm{keyring.RS256, keyring.ES256, keyring.EdDSA} {
		t.Run(string(alg), func(t *testing.T) {
			where, made, err := m.Make(t.Context(), alg)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(where, "pkcs11:token=test%20") {
				t.Errorf("it is at %s", where)
			}
			again := open(t, config(token))
			found, err := again.Open(t.Context(), where)
			if err != nil {
				t.Fatal(err)
			}
			public, ok := made.Public().(interface{ Equal(crypto.PublicKey) bool })
			if !ok || !public.Equal(found.Public()) {
				t.Fatal("another key is found")
			}
			key, err := keyring.NewKey(keyring.UseToken, found)
			if err != nil || key.Algorithm != alg {
				t.Fatalf("%v, %v", key, err)
			}
			// Many at once, with three sessions.
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					if _, err := key.Sign(nil, []byte("a.b")); err != nil { // which verifies
						t.Error(err)
					}
				})
			}
			all.Wait()
			if err := m.Remove(t.Context(), where); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Open(t.Context(), where); err == nil {
				t.Error("a removed key is opened")
			}
			if _, err := key.Sign(nil, []byte("a.b")); err == nil {
				t.Error("a removed key signs")
			}
		})
	}
}

func TestAPrivateKeyCannotLeaveTheToken(t *testing.T) {
	m := open(t, config(softhsm.New(t)))
	for _, alg := range []keyring.Algorithm{keyring.RS256, keyring.ES256, keyring.EdDSA} {
		where, _, err := m.Make(t.Context(), alg)
		if err != nil {
			t.Fatal(err)
		}
		if sensitive, extractable, err := m.Protection(t.Context(), where); err != nil || !sensitive || extractable {
			t.Errorf("%s: sensitive %v, extractable %v, %v", alg, sensitive, extractable, err)
		}
	}
}

func TestASignerSignsHashesBySHA256Only(t *testing.T) {
	m := open(t, config(softhsm.New(t)))
	_, key, err := m.Make(t.Context(), keyring.RS256)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(nil)
	for name, try := range map[string]func() ([]byte, error){
		"another hash":  func() ([]byte, error) { return key.Sign(nil, digest[:], crypto.SHA512) },
		"another size":  func() ([]byte, error) { return key.Sign(nil, digest[:31], crypto.SHA256) },
		"the text bare": func() ([]byte, error) { return key.Sign(nil, digest[:], crypto.Hash(0)) },
	} {
		if _, err := try(); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	token := softhsm.New(t)
	m := open(t, config(token))
	for name, tt := range map[string]struct {
		spoil func(*pkcs11.Config)
		want  string
	}{
		"no such module": {func(c *pkcs11.Config) { c.Module = "/none.so" }, "load the PKCS #11 module /none.so"},
		"no such token":  {func(c *pkcs11.Config) { c.Token = "other" }, `has no token "other"; it has [`},
		"no PIN":         {func(c *pkcs11.Config) { c.PIN = secret.String{} }, "must be set"},
	} {
		c := config(token)
		tt.spoil(&c)
		if _, err := pkcs11.Open(c); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, where := range map[string]string{
		"another token": "pkcs11:token=other;id=%01;type=private",
		"no such key":   "pkcs11:token=" + strings.ReplaceAll(token.Label, " ", "%20") + ";id=%01;type=private",
		"no URI":        "file:///key",
		"no id":         "pkcs11:token=a;type=private",
		"an id twice":   "pkcs11:token=a;id=%01;id=%02;type=private",
		"more":          "pkcs11:token=a;id=%01;type=private;object=b",
	} {
		if _, err := m.Open(t.Context(), where); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestAWrongPINIsFoundAtTheStart(t *testing.T) {
	token := softhsm.New(t)
	c := config(token)
	c.PIN = secret.New("0000")
	if _, err := pkcs11.Open(c); err == nil || !strings.Contains(err.Error(), "refuses the PIN") || strings.Contains(err.Error(), "0000") {
		t.Errorf("got %v", err)
	}
	open(t, config(token)) // the right one is taken after that
}

func TestABusyTokenRefusesInsteadOfQueueing(t *testing.T) {
	c := config(softhsm.New(t))
	c.Sessions, c.Patience = 1, time.Millisecond
	m := open(t, c)
	_, key, err := m.Make(t.Context(), keyring.RS256)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(nil)
	var all sync.WaitGroup
	refused := make(chan error, 200)
	for range 200 {
		all.Go(func() {
			if _, err := key.Sign(nil, digest[:], crypto.SHA256); err != nil {
				refused <- err
			}
		})
	}
	all.Wait()
	select {
	case err := <-refused:
		if !strings.Contains(err.Error(), "busy") {
			t.Error(err)
		}
	default:
		t.Error("200 signatures at once, by one session, and none was refused")
	}
	if _, err := key.Sign(nil, digest[:], crypto.SHA256); err != nil {
		t.Errorf("and then: %v", err)
	}
}
