package server_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// lines is a log that is read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// told returns the lines that say what, with their attributes.
func (l *lines) told(t *testing.T, what string) (found []map[string]any) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		var v map[string]any
		must(t, json.Unmarshal([]byte(line), &v))
		if text, _ := v["msg"].(string); strings.Contains(text, what) {
			found = append(found, v)
		}
	}
	return found
}

// What a first start says is what is so when it has started, and what is left to do.
func TestTheFirstStartSaysWhatIsLeftToDo(t *testing.T) {
	log := &lines{}
	c := settings(t, t.TempDir(), "")
	start := func() *node {
		return runWith(t, server.Options{Config: c, Now: time.Now, Logger: slog.New(slog.NewJSONHandler(log, nil))})
	}
	n := start()
	keys := log.told(t, "signing keys in use")
	if len(keys) != 2 {
		t.Errorf("%d lines about the keys of two environments: %v", len(keys), keys)
	}
	for _, line := range keys {
		if line["keys"] != float64(2) || line["token_kid"] == "" || line["identity_kid"] == "" {
			t.Errorf("the keys are %v", line)
		}
	}
	if schema := log.told(t, "the schema of the store"); len(schema) != 1 || schema[0]["from"] != float64(0) {
		t.Errorf("of the schema it says %v", schema)
	}
	if ca := log.told(t, "certificate of the local CA"); len(ca) != 1 || ca[0]["ca"] != n.Info().CA || !strings.Contains(ca[0]["listeners"].(string), "production") {
		t.Errorf("of the local CA it says %v", ca)
	}
	if none := log.told(t, "no catalogue is applied yet"); len(none) != 1 {
		t.Errorf("of the catalogue it says %v", none)
	}
	_, operator, err := n.Market.AddOperatorToken(t.Context(), market.System, "test", time.Now().Add(time.Hour))
	must(t, err)
	status := func() (s api.Status) {
		_, text := n.get(n.Info().Management+"/v1/status", http.Header{"Authorization": {"Bearer " + operator.Reveal()}})
		must(t, json.Unmarshal([]byte(text), &s))
		return s
	}
	if got := status().Catalog; got != (api.CatalogStatus{}) {
		t.Errorf("the catalogue is %+v", got)
	}
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue("http://127.0.0.1:1")))
	if got := status().Catalog; got != (api.CatalogStatus{Version: 1, Routed: 1}) {
		t.Errorf("the catalogue is %+v", got)
	}
	if routed := log.told(t, "routing by a catalogue"); len(routed) != 1 || routed[0]["version"] != float64(1) || routed[0]["apis"] != float64(1) {
		t.Errorf("of the catalogue it says %v", routed)
	}
	n.stop()
	if stopping := log.told(t, "stopping"); len(stopping) != 1 {
		t.Errorf("at its end it says %v", stopping)
	}

	n = start() // not the first
	if again := log.told(t, "no catalogue is applied yet"); len(again) != 1 {
		t.Error("a second start says that there is no catalogue")
	}
	if schema := log.told(t, "the schema of the store"); len(schema) != 1 {
		t.Errorf("a second start has brought the schema up to date: %v", schema)
	}
	n.stop()
}
