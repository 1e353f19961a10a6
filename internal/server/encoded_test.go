package server_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// Nearly every client takes gzip, and many upstreams give it to who does. Where answers
// are held to the document, upstreams are not told.
func TestAnAnswerThatIsCheckedIsAskedForAsItIs(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			_, _ = io.WriteString(w, `{"a":1}`)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, `{"a":1}`)
		_ = z.Close()
	}))
	t.Cleanup(upstream.Close)
	n := run(t, settings(t, t.TempDir(), ""))
	files := catalogue(upstream.URL)
	files["thing-v1/manifest.yaml"].Data = fmt.Appendf(files["thing-v1/manifest.yaml"].Data, "answer: {validate: enforce}\n")
	files["thing-v1/openapi.yaml"].Data = []byte(strings.Replace(string(files["thing-v1/openapi.yaml"].Data), "example: {a: 1}", "schema: {type: object, properties: {a: {type: integer}}}", 1))
	must(t, n.ApplyCatalog(t.Context(), market.System, files))
	_, app, text := customer(t, n.Market)
	var token string
	soon(t, "the secret works", func() (ok bool) {
		var status int
		status, token = n.token(app.ClientID, text)
		return status == http.StatusOK
	})
	if status, body := n.call(token); status != http.StatusOK || body["a"] != 1.0 { // Go's client takes gzip
		t.Errorf("%d %v", status, body)
	}
}
