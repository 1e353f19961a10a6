package e2e_test

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/sallyport-dev/sallyport/api"
)

// The build of make build-boring starts, signs, and verifies what it signed; so does
// another implementation, by its key set.
func TestTheBuildWithBoringCryptoIssuesTokensAndTakesThem(t *testing.T) {
	require(t, runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64"), "Linux on amd64 or arm64")
	require(t, have("gcc") || have("cc"), "a C compiler (gcc and libc6-dev)")
	program := filepath.Join(t.TempDir(), "sallyport-boring")
	build := exec.CommandContext(t.Context(), "go", "build", "-C", "../..", "-trimpath", "-ldflags", "-s -w", "-o", program, "./cmd/sallyport")
	build.Env = append(os.Environ(), "CGO_ENABLED=1", "GOEXPERIMENT=boringcrypto")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build it: %v\n%s", err, out)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil || !slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool {
		return s.Key == "GOEXPERIMENT" && strings.Contains(s.Value, "boringcrypto")
	}) {
		t.Fatalf("it is another build: %v", err)
	}
	s := startProgram(t, program)
	m := s.operator()
	for _, algorithm := range []string{"RS256", "ES256"} {
		t.Run("3.1 "+algorithm, func(t *testing.T) {
			if _, err := m.RotateKey(t.Context(), api.KeyRotation{Environment: "sandbox", Algorithm: algorithm, Emergency: true}); err != nil {
				t.Fatal(err)
			}
			e := s.Environments["sandbox"]
			token := s.token(e)
			if header, _ := claims(t, token); header["alg"] != algorithm {
				t.Fatalf("signed by %v", header["alg"])
			}
			if a := s.call(e.api(t, "eligibility"), token, nil); a.status != http.StatusOK {
				t.Errorf("the gateway: %d %s", a.status, a.body)
			}
			if a := s.call(e.api(t, "eligibility"), token[:len(token)-8]+"AAAAAAAA", nil); a.status != http.StatusUnauthorized {
				t.Errorf("with another signature: %d %s", a.status, a.body)
			}
			var keys jose.JSONWebKeySet
			if err := json.Unmarshal(s.do("GET", e.URL+"/.well-known/jwks.json", nil, "").body, &keys); err != nil {
				t.Fatal(err)
			}
			signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(algorithm)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := signed.Verify(keys.Key(signed.Signatures[0].Header.KeyID)[0]); err != nil {
				t.Errorf("another implementation: %v", err)
			}
		})
	}
}

// startProgram starts a demo by a program that was built, until the test ends.
func startProgram(t *testing.T, program string) *site {
	t.Helper()
	data := t.TempDir()
	file := filepath.Join(data, "ready.json")
	args := []string{"demo", "--data", data, "--ready", file}
	for _, listener := range []string{"sandbox", "production", "sandbox-mtls", "production-mtls", "admin", "portal"} {
		args = append(args, "--listen-"+listener, "127.0.0.1:0")
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...) // it is stopped, not killed
	var log output
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			return // it has ended
		}
		if err := <-done; err != nil {
			t.Errorf("it did not stop cleanly: %v\n%s", err, log.String())
		}
	})
	s := &site{t: t}
	if ended, err := awaitReady(t, file, &s.ready, done); ended {
		t.Fatalf("it ended: %v\n%s", err, log.String())
	}
	s.client = httpClient(t, s.CA)
	return s
}
