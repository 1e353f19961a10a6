package e2e_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The upstream of one API has gone bad. What it says of the whole host would hold for all
// APIs there, as browsers and others have it; what it says to the server in front of the
// gateway would be done.
func TestAnUpstreamSpeaksForItsOwnAPIAlone(t *testing.T) {
	wide := map[string]string{
		"Alt-Svc": `h2="evil.example:443"; ma=31536000; persist=1`, "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
		"Clear-Site-Data": `"*"`, "NEL": `{"report_to":"x","max_age":31536000,"include_subdomains":true}`,
		"Report-To":       `{"group":"x","max_age":31536000,"endpoints":[{"url":"https://evil.example"}]}`,
		"Public-Key-Pins": `pin-sha256="x"; max-age=1`, "Expect-CT": "enforce, max-age=1", "Service-Worker-Allowed": "/",
		"X-Accel-Redirect": "/internal/secrets", "X-Sendfile": "/etc/passwd", "X-Reproxy-URL": "http://169.254.169.254/",
	}
	cookies := map[string]string{
		"a=1":                                 "a=1; Path=" + plainBase,
		"a=1; Path=/; Domain=example.com":     "a=1; Path=" + plainBase,
		"a=1;domain=.example.com;Secure":      "a=1;Secure; Path=" + plainBase,
		"a=1; Path=" + plainBase + "/x":       "a=1; Path=" + plainBase + "/x",
		"a=1; HttpOnly; PATH=" + plainBase:    "a=1; HttpOnly; Path=" + plainBase,
		"a=1; Path=" + plainBase + "x":        "a=1; Path=" + plainBase,
		"a=1; path=/; SameSite=None; Path=/y": "a=1; SameSite=None; Path=" + plainBase,
		"a=1; Path=" + plainBase + "; Path=/": "a=1; Path=" + plainBase,
	}
	ways(t, func(t *testing.T, s *site, e *environment, token, more string) {
		up := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			for name, value := range wide {
				w.Header().Set(name, value)
			}
			for cookie := range cookies {
				w.Header().Add("Set-Cookie", cookie)
			}
			w.Header().Set("Access-Control-Allow-Origin", "*")
		})
		s.serveFiles(poolManifest(more, "url: "+up.URL), plainBase)
		got := s.plain(e, "GET", token, "")
		if got.status != 200 || got.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Fatalf("4.10: %d %v", got.status, got.header)
		}
		for name := range wide {
			if values := got.header.Values(name); values != nil {
				t.Errorf("4.10: %s is %q", name, values)
			}
		}
		var want []string
		for _, cookie := range cookies {
			want = append(want, cookie)
		}
		have := got.header.Values("Set-Cookie")
		slices.Sort(want)
		slices.Sort(have)
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("4.10: %s", diff)
		}
	})
}
