// Package softhsm gives tests a PKCS #11 token: one of SoftHSM, a security module
// in software. Without it tests are skipped on a laptop, and fail where CI=true.
package softhsm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Token is a token with a user's PIN.
type Token struct {
	Module string // path of the shared library
	Label  string
	PIN    string
}

// The tokens of this process, to take one by one. The module reads its folder
// once, when it is first used, so all of them are made before that.
var tokens = sync.OnceValues(prepare)

const tokensMade = 8

var errNone = errors.New("no SoftHSM: install softhsm2")

// New returns a fresh token.
func New(t testing.TB) Token {
	t.Helper()
	all, err := tokens()
	if errors.Is(err, errNone) && os.Getenv("CI") != "true" { //nolint:forbidigo // of the test's surroundings
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	select {
	case token := <-all:
		return token
	default:
		t.Fatalf("the tests of this package need more than %d tokens: raise tokensMade", tokensMade)
	}
	return Token{}
}

// prepare finds the module, and makes a folder with tokens.
func prepare() (chan Token, error) {
	module := ""
	for _, pattern := range []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so"} {
		found, err := filepath.Glob(pattern)
		if err == nil && len(found) > 0 {
			module = found[0]
			break
		}
	}
	if _, err := exec.LookPath("softhsm2-util"); err != nil || module == "" {
		return nil, errNone
	}
	dir, err := os.MkdirTemp("", "sallyport-softhsm-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "softhsm2.conf")
	text := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if err := os.Setenv("SOFTHSM2_CONF", file); err != nil { // the module reads it, and so does softhsm2-util
		return nil, err
	}
	all := make(chan Token, tokensMade)
	for range tokensMade {
		token := Token{Module: module, Label: "test " + strings.ToLower(rand.Text()[:8]), PIN: "1234"}
		//nolint:gosec // the names are ours
		cmd := exec.CommandContext(context.Background(), "softhsm2-util", "--init-token", "--free", "--label", token.Label, "--pin", token.PIN, "--so-pin", "5678")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("make a token: %w\n%s", err, out)
		}
		all <- token
	}
	return all, nil
}
