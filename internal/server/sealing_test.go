package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/server"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

// sealed returns what the sealing keys are needed for, by their states at a node.
func (n *node) sealed() map[string]api.SealingKeyStatus {
	n.t.Helper()
	s, err := n.operator().Status(n.t.Context())
	must(n.t, err)
	states := map[string]api.SealingKeyStatus{}
	for _, k := range s.SealingKeys {
		states[k.State] = k
	}
	return states
}

// replaced is the settings of a node that has been given a new sealing key.
func replaced(t *testing.T, dsn string) *config.Config {
	t.Helper()
	c := settings(t, t.TempDir(), dsn)
	file := filepath.Join(t.TempDir(), "new-sealing")
	must(t, os.WriteFile(file, []byte(strings.Repeat("fedcba9876543210", 4)), 0o600))
	c.Keys.SealingOld, c.Keys.Sealing = []config.Secret{c.Keys.Sealing}, config.Secret{File: file}
	return c
}

func TestTheSealingKeyIsReplacedNodeByNode(t *testing.T) {
	dsn := storetest.Postgres(t)
	pace := server.Pace{Tell: 50 * time.Millisecond, Upkeep: 50 * time.Millisecond}
	a, b := runHurried(t, settings(t, t.TempDir(), dsn), pace), runHurried(t, settings(t, t.TempDir(), dsn), pace)
	must(t, a.ApplyCatalog(t.Context(), market.System, catalogue("http://127.0.0.1:1")))
	_, app, text := customer(t, a.Market)
	kidAt := func(n *node) string {
		var raw string
		until(t, "a token", 10*time.Second, func() bool {
			var status int
			status, raw = n.token(app.ClientID, text)
			return status == http.StatusOK
		})
		return kid(t, raw)
	}
	first := kidAt(a)

	a.stop()
	a = runHurried(t, replaced(t, dsn), pace)
	// The other knows nothing of the new sealing key, and can open what is made.
	k, err := a.operator().RotateKey(t.Context(), api.KeyRotation{Environment: "production", Emergency: true})
	must(t, err)
	if kidAt(a) != k.KID || !slices.Contains(k.Revokes, first) {
		t.Errorf("the new key does not sign, or does not revoke the first: %+v", k)
	}
	until(t, "the other node signs with it too", 10*time.Second, func() bool { return kidAt(b) == k.KID })
	if s := a.sealed(); s["opens"].Keys != 5 || s["seals"].Keys != 0 {
		t.Errorf("sealed anew before every node knows the new key: %+v", s)
	}

	b.stop()
	b = runHurried(t, replaced(t, dsn), pace)
	until(t, "all is sealed anew", 10*time.Second, func() bool { s := b.sealed(); return s["seals"].Keys == 5 && s["opens"].Keys == 0 })
	for _, n := range []*node{a, b} {
		if kidAt(n) != k.KID {
			t.Error("another key signs")
		}
	}
	// The old one may go.
	b.stop()
	c := replaced(t, dsn)
	c.Keys.SealingOld = nil
	if b = runHurried(t, c, pace); kidAt(b) != k.KID {
		t.Error("without the old sealing key, another key signs")
	}
}
