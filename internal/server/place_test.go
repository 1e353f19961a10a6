package server_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// visit sends a request with a token, its path as it stands, and returns the trace id
// of the answer.
func (n *node) visit(t *testing.T, method, target string, token secret.String) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader("{}"))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+token.Reveal())
	r.Header.Set("Content-Type", "application/json")
	res, err := n.client.Transport.RoundTrip(r)
	must(t, err)
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	must(t, err)
	return res.Header.Get("X-Trace-Id")
}

// placed is an API with a parameter in its path, and one that has no document.
func placed(t *testing.T) fstest.MapFS {
	t.Helper()
	files := catalogue(saw(t))
	files["claims/manifest.yaml"] = &fstest.MapFile{Data: []byte("title: Claims\nbase_path: /claims/v1\nproducts: [" + product + "]\nopenapi: openapi.yaml\nupstreams: {production: {url: " + saw(t) + "}}\n")}
	files["claims/openapi.yaml"] = &fstest.MapFile{Data: []byte("openapi: 3.1.0\ninfo: {title: Claims, version: v1}\npaths:\n" +
		"  /members/{id}:\n    get:\n      operationId: member\n      parameters: [{name: id, in: path, required: true, schema: {type: string}}]\n      responses: {'200': {description: ok}}\n" +
		"  /claimStatus:\n    get:\n      operationId: status\n      responses: {'200': {description: ok}}\n")}
	files["raw/manifest.yaml"] = &fstest.MapFile{Data: []byte("title: Raw\nbase_path: /raw\nproducts: [" + product + "]\nupstreams: {production: {url: " + saw(t) + "}}\n")}
	return files
}

// recorded returns the path that the log has under a trace id.
func recorded(t *testing.T, log *journal, trace string) string {
	t.Helper()
	path := ""
	soon(t, "the request is in the log", func() bool {
		for line := range strings.Lines(log.String()) {
			var record struct {
				Message string  `json:"msg"`
				Trace   string  `json:"trace_id"`
				Path    *string `json:"path"`
			}
			if json.Unmarshal([]byte(line), &record) == nil && record.Message == "request" && record.Trace == trace && record.Path != nil {
				path = *record.Path
				return true
			}
		}
		return false
	})
	return path
}

func TestARecordSaysWhereARequestWentAndNotWhomItIsAbout(t *testing.T) {
	for name, raw := range map[string]bool{"by default": false, "with log.paths": true} {
		t.Run(name, func(t *testing.T) {
			c := settings(t, t.TempDir(), "")
			c.Log.Paths = raw
			log := &journal{}
			n := runWith(t, server.Options{Config: c, Now: time.Now, Logger: slog.New(slog.NewJSONHandler(log, nil))})
			must(t, n.ApplyCatalog(t.Context(), market.System, placed(t)))
			_, app, _ := customer(t, n.Market)
			org, environment := "/v1/organizations/"+string(app.Org), n.production().URL
			for _, tt := range []struct{ base, path, place string }{
				{environment, "/claims/v1/members/M123456789", "/claims/v1/members/{id}"},
				{environment, "/claims/v1/members/smith", "/claims/v1/members/{id}"},
				{environment, "/claims/v1/claimStatus", "/claims/v1/claimStatus"},
				{environment, "/claims/v1/member/M123456789", "/claims/v1/*"},
				{environment, "/claims/v1", "/claims/v1/*"},
				{environment, "/raw/members/smith", "/raw/*"},
				{environment, "/claim/v1/members/smith", "/claim/v1/members/*"},
				{environment, "/claims/claimStatus/smith", "/claims/claimStatus/*"},
				{environment, "/foo/bar", "/foo/*"},
				{environment, "/M123456789", "/*"},
				{environment, "/v12345", "/*"},
				{environment, "/claims/v1/members/a%2Fb", "/claims/*"}, // not read
				{environment, "/oauth2/token", "/oauth2/token"},
				{environment, "/oauth2/token/smith", "/oauth2/token/*"},
				{environment, "/.well-known/oauth-protected-resource/claims/v1", "/.well-known/oauth-protected-resource/claims/v1"},
				{environment, "/.well-known/oauth-protected-resource/claims/smith", "/.well-known/oauth-protected-resource/*"},
				{environment, "/", "/"},
				{n.Info().Management, org, org},
				{n.Info().Management, org + "/tins/123456789", org + "/tins/{tin}"},
				{n.Info().Management, org + "/submitters/own/smith", org + "/submitters/own/{value}"},
				{n.Info().Management, "/v1/not-before/production", "/v1/not-before/production"},
				{n.Info().Management, "/v1/apps/smith", "/v1/apps/{app}"},
				{n.Info().Management, "/v1/nothing/smith", "/v1/*"},
				{n.Info().Portal, "/", "/"},
				{n.Info().Portal, "/apis/claims", "/apis/claims"},
				{n.Info().Portal, "/apis/smith", "/apis/{name}"},
				{n.Info().Portal, "/smith/jones", "/smith/*"},
			} {
				place := tt.place
				if raw {
					u, err := url.Parse(tt.path)
					must(t, err)
					place = u.Path
				}
				if got := recorded(t, log, n.visit(t, http.MethodGet, tt.base+tt.path, secret.New("none"))); got != place {
					t.Errorf("%s is recorded as %s, want %s", tt.path, got, place)
				}
			}
		})
	}
}
