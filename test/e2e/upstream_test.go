package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"
)

// sight is a request as the upstream saw it.
type sight struct {
	Method, URI, Host string
	Header, Trailer   http.Header
	Body              string
}

// mirror is an upstream that answers with what it saw.
func mirror(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	// What only the gateway may say.
	w.Header().Set("X-Sallyport-Source", "mock; reason=upstream")
	w.Header().Set("X-Sallyport-Identity", "upstream's")
	w.Header().Set("X-Trace-Id", "upstream's")
	w.Header().Set("Server", "upstream/1.0")
	w.Header().Set("X-Powered-By", "upstream")
	w.Header().Set("X-Own", "kept")
	_ = json.NewEncoder(w).Encode(sight{r.Method, r.RequestURI, r.Host, r.Header, r.Trailer, string(body)})
}

// look sends a request with those header lines over HTTP/1.1, byte for byte,
// and returns what the upstream saw.
func (s *site) look(t *testing.T, e *environment, target, token string, lines ...string) (sight, *http.Response) {
	t.Helper()
	conn := s.dial(t, e)
	lines = append([]string{"GET " + plainBase + target + " HTTP/1.1", "Host: gateway.example", "Authorization: Bearer " + token}, lines...)
	fmt.Fprint(conn, strings.Join(lines, "\r\n")+"\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var seen sight
	if err := json.NewDecoder(res.Body).Decode(&seen); err != nil || res.StatusCode != 200 {
		t.Fatalf("status %d: %v", res.StatusCode, err)
	}
	return seen, res
}

// foldedHeaders joins the spellings that some servers take for one header.
func foldedHeaders(h http.Header) map[string][]string {
	folded := map[string][]string{}
	for name, values := range h {
		name = strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name))
		folded[name] = append(folded[name], values...)
	}
	return folded
}

func TestWhatTheUpstreamSees(t *testing.T) {
	s := startBefore(t, mirror)
	e := s.Environments["sandbox"]
	token := s.token(e)
	app := s.app(s.operator(), e.ClientID)
	ours := func(t *testing.T, seen sight) {
		t.Helper()
		got := foldedHeaders(seen.Header)
		for name, want := range map[string]string{
			"x-sallyport-client-id": e.ClientID, "x-sallyport-organization": app.Org, "x-sallyport-application": app.Name, "x-sallyport-environment": "sandbox",
		} {
			if diff := cmp.Diff([]string{want}, got[name]); diff != "" {
				t.Errorf("4.5 %s (-want +got)\n%s", name, diff)
			}
		}
		if identity := got["x-sallyport-identity"]; len(identity) != 1 || strings.Count(identity[0], ".") != 2 {
			t.Errorf("4.5 x-sallyport-identity is %q", identity)
		}
	}
	t.Run("4.5 what a caller says of itself is removed in every spelling, and ours is there", func(t *testing.T) {
		var lines []string
		for _, name := range []string{
			"X-Sallyport-Client-Id", "X-Sallyport-Organization", "X-Sallyport-Application", "X-Sallyport-Environment", "X-Sallyport-Identity",
			"X-Sallyport-Source", "x-optum-tenant-id", "x-chng-tenant-id", "x-optum-subtenant-id",
		} {
			for _, spelling := range []string{name, strings.ToLower(name), strings.ToUpper(name), strings.ReplaceAll(name, "-", "_"), strings.ReplaceAll(strings.ToLower(name), "-", "."), strings.Replace(name, "-", "_", 1)} {
				lines = append(lines, spelling+": forged")
			}
		}
		seen, _ := s.look(t, e, "/x", token, lines...)
		ours(t, seen)
		for name, values := range seen.Header {
			if strings.Contains(fmt.Sprint(values), "forged") {
				t.Errorf("%s: %q came through", name, values)
			}
		}
	})
	t.Run("4.4 4.5 tokens and what the gateway reads are not passed on", func(t *testing.T) {
		seen, _ := s.look(t, e, "/x", token, "IMA-Token: "+token, "ima_token: "+token, "Proxy-Authorization: Basic eDp5", "Proxy: evil", "X-Real-IP: 10.0.0.1")
		got := foldedHeaders(seen.Header)
		for _, name := range []string{"authorization", "ima-token", "environment", "proxy-authorization", "proxy", "x-real-ip"} {
			if values, there := got[name]; there {
				t.Errorf("%s: %q came through", name, values)
			}
		}
		if strings.Contains(fmt.Sprint(seen), token[:40]) {
			t.Error("the token came through")
		}
	})
	t.Run("5.5 production ignores environment, and does not pass it on", func(t *testing.T) {
		production := s.Environments["production"]
		seen, res := s.look(t, production, "/x", s.token(production), "environment: sandbox", "Environment: sandbox")
		if values, there := seen.Header["Environment"]; there || res.Header.Get("X-Sallyport-Source") != "live" {
			t.Errorf("the upstream saw %q, source %q", values, res.Header.Get("X-Sallyport-Source"))
		}
	})
	t.Run("X-Forwarded-* say what the socket says, whatever the caller says", func(t *testing.T) {
		seen, _ := s.look(t, e, "/x", token, "X-Forwarded-For: 10.9.9.9", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: gopher", "Forwarded: for=10.9.9.9",
			"X_Forwarded_For: 10.9.9.9", "x_forwarded_host: evil.example", "x_forwarded_proto: gopher", "X-Forwarded-Port: 1", "X-Forwarded-Prefix: /admin")
		got := foldedHeaders(seen.Header)
		for name, want := range map[string][]string{
			"x-forwarded-for": {"127.0.0.1"}, "x-forwarded-host": {host(t, e.URL)}, "x-forwarded-proto": {"https"}, "forwarded": nil, "x-forwarded-port": nil, "x-forwarded-prefix": nil,
		} {
			if diff := cmp.Diff(want, got[name]); diff != "" {
				t.Errorf("%s (-want +got)\n%s", name, diff)
			}
		}
	})
	t.Run("the path is the canonical one, the query as it was", func(t *testing.T) {
		for target, want := range map[string]string{
			"/plain":                       "/plain",
			"/%70lain":                     "/plain",
			"/a%20b":                       "/a%20b",
			"/a+b":                         "/a+b",
			"/items/%C3%A9/parts":          "/items/%C3%A9/parts",
			"/x?b=1&a=%2F&a=2":             "/x?b=1&a=%2F&a=2",
			"/x?q=a+b%20c&empty=&bare":     "/x?q=a+b%20c&empty=&bare",
			"/x?next=https://evil.example": "/x?next=https://evil.example",
		} {
			if seen, _ := s.look(t, e, target, token); seen.URI != plainBase+want {
				t.Errorf("%s: the upstream saw %s, want %s", target, seen.URI, plainBase+want)
			}
		}
	})
	t.Run("the host is the upstream's, and what is not ours stays as it was", func(t *testing.T) {
		seen, res := s.look(t, e, "/x", token, "X-Own: a", "X-Own: b", "Accept-Encoding: gzip", "Accept: text/csv")
		if !strings.HasPrefix(seen.Host, "127.0.0.1:") || seen.Header.Get("User-Agent") != "" || seen.Header.Get("Accept-Encoding") != "gzip" || seen.Header.Get("Accept") != "text/csv" {
			t.Errorf("the upstream saw %+v", seen)
		}
		if diff := cmp.Diff([]string{"a", "b"}, seen.Header["X-Own"]); diff != "" {
			t.Error(diff)
		}
		if trace := seen.Header.Get("X-Trace-Id"); trace == "" || res.Header.Get("X-Trace-Id") != trace {
			t.Errorf("4.7: the upstream saw trace %q, the caller %q", trace, res.Header.Get("X-Trace-Id"))
		}
	})
	t.Run("5.4 an answer cannot say what only the gateway says", func(t *testing.T) {
		_, res := s.look(t, e, "/x", token)
		if diff := cmp.Diff([]string{"live"}, res.Header["X-Sallyport-Source"]); diff != "" {
			t.Error(diff)
		}
		if strings.Contains(fmt.Sprint(res.Header), "upstream") || len(res.Header["X-Trace-Id"]) != 1 || res.Header.Get("X-Own") != "kept" {
			t.Errorf("headers %v", res.Header)
		}
	})
}

func TestTheUpstreamCanVerifyWhoCalls(t *testing.T) {
	s := startBefore(t, mirror)
	for name, e := range s.Environments {
		t.Run("4.5 in "+name, func(t *testing.T) {
			access := s.token(e)
			seen, _ := s.look(t, e, "/x", access)
			text := seen.Header.Get("X-Sallyport-Identity")
			keys := func(path string) (set jose.JSONWebKeySet) {
				a := s.do("GET", e.URL+path, nil, "")
				if err := json.Unmarshal(a.body, &set); err != nil || len(set.Keys) == 0 {
					t.Fatalf("%s: %d %s, %v", path, a.status, a.body, err)
				}
				return set
			}
			identity, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
			if err != nil {
				t.Fatal(err)
			}
			var who jwt.Claims
			var more map[string]any
			if err := identity.Claims(keys("/.well-known/identity-jwks.json"), &who, &more); err != nil {
				t.Fatalf("it does not verify: %v", err)
			}
			err = who.ValidateWithLeeway(jwt.Expected{Issuer: e.Issuer, Subject: e.ClientID, AnyAudience: jwt.Audience{"plain"}, Time: time.Now()}, 0)
			if err != nil || len(who.Audience) != 1 || who.ID == "" {
				t.Errorf("%+v: %v", who, err)
			}
			if life := who.Expiry.Time().Sub(who.IssuedAt.Time()); life <= 0 || life > time.Minute {
				t.Errorf("it lives %v", life)
			}
			if app := s.app(s.operator(), e.ClientID); more["org"] != app.Org || more["app"] != app.ID || more["env"] != name {
				t.Errorf("claims %v", more)
			}
			// One key, one purpose: neither passes for the other.
			if err := identity.Claims(keys("/.well-known/jwks.json"), &who); err == nil {
				t.Error("an identity verifies by the keys of access tokens")
			}
			if a := s.do("GET", e.URL+plainBase+"/x", map[string]string{"Authorization": "Bearer " + text}, ""); a.status != 401 {
				t.Errorf("an identity is taken for an access token: %d", a.status)
			}
		})
	}
}

// breaking is an upstream that goes wrong in the way that the path names.
func breaking(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	raw := func(text string, reset bool) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		if reset {
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
		_, _ = io.WriteString(conn, text)
	}
	switch strings.TrimPrefix(r.URL.Path, plainBase+"/") {
	case "hang":
		select {
		case <-r.Context().Done():
		case <-time.After(20 * upstreamWait):
		}
	case "reset":
		raw("", true)
	case "close":
		raw("", false)
	case "garbage":
		raw("SECRET-RUBBISH\r\nfrom the upstream\r\n\r\n", false)
	case "half-headers":
		raw("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Half", false)
	case "bad-header":
		raw("HTTP/1.1 200 OK\r\nbad header\r\n\r\n", false)
	case "two-lengths":
		raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", false)
	case "huge-headers":
		raw("HTTP/1.1 200 OK\r\nX-Huge: "+strings.Repeat("x", 100<<10)+"\r\n\r\n", false)
	case "unasked-upgrade":
		raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: rubbish\r\n\r\n", false)
	case "flushed-then-reset":
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "partial")
		_ = http.NewResponseController(w).Flush()
		raw("", true)
	case "short":
		raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npartial", false)
	case "cut-chunks":
		raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\npartial\r\n", false)
	case "bad-chunks":
		raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\npartial\r\nSECRET-RUBBISH\r\n", false)
	case "error":
		http.Error(w, "the API's own words", http.StatusInternalServerError)
	case "redirect":
		http.Redirect(w, r, "https://elsewhere.example/x", http.StatusFound)
	}
}

func TestAnUpstreamThatFails(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(breaking))
	t.Cleanup(upstream.Close)
	gone, err := net.Listen("tcp", "127.0.0.1:0") // an address where nobody listens
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	s := start(t)
	s.serveAPIs(upstream.URL, "http://"+gone.Addr().String(), "http://no-such-host.invalid")
	e := s.Environments["production"]
	token := s.token(e)
	inner := regexp.MustCompile(`(?i)SECRET|rubbish|127\.0\.0\.1:(` + port(t, upstream.URL) + `|` + port(t, "http://"+gone.Addr().String()) + `)|no-such-host|dial|lookup|connection (refused|reset)|EOF|malformed|timeout awaiting|net/http|httputil`)
	for _, tt := range []struct {
		name, path string
		status     int
		code       string
	}{
		{"refuses", "-1/x", 502, "bad_gateway"},
		{"has a name that nobody knows", "-2/x", 502, "bad_gateway"},
		{"hangs", "/hang", 504, "gateway_timeout"},
		{"resets", "/reset", 502, "bad_gateway"},
		{"closes", "/close", 502, "bad_gateway"},
		{"talks garbage", "/garbage", 502, "bad_gateway"},
		{"stops within the headers", "/half-headers", 502, "bad_gateway"},
		{"sends a header that is none", "/bad-header", 502, "bad_gateway"},
		{"sends two lengths", "/two-lengths", 502, "bad_gateway"},
		{"sends headers without end", "/huge-headers", 502, "bad_gateway"},
		{"switches protocols unasked", "/unasked-upgrade", 502, "bad_gateway"},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run("4.2 one that "+tt.name+", "+method, func(t *testing.T) {
				began := time.Now()
				a := s.do(method, e.URL+plainBase+tt.path, map[string]string{"Authorization": "Bearer " + token}, strings.Repeat("x", 10*len(method)-30))
				got := a.json(t)
				if a.status != tt.status || got["error"] != tt.code || a.header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("got %d %s", a.status, a.body)
				}
				for _, member := range problemMembers {
					if got[member] == nil {
						t.Errorf("the body lacks %s", member)
					}
				}
				if found := inner.FindString(fmt.Sprint(a.header) + strings.ReplaceAll(string(a.body), e.URL, "")); found != "" {
					t.Errorf("the answer tells %q: %v %s", found, a.header, a.body)
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %v", took)
				}
				refusal, err := s.operator().Refusal(t.Context(), a.header.Get("X-Trace-Id"))
				if err != nil || refusal.Code != tt.code || inner.MatchString(refusal.Reason) {
					t.Errorf("its owner is told %+v, %v", refusal, err)
				}
			})
		}
	}
	for name, path := range map[string]string{
		"sends less than it said": "/short", "stops between chunks": "/cut-chunks", "sends a chunk that is none": "/bad-chunks",
		"resets after its first part": "/flushed-then-reset",
	} {
		for version, client := range map[string]*http.Client{"HTTP/1.1": s.oneDotOne(), "HTTP/2": s.client} {
			t.Run("one that "+name+" has its answer cut off, over "+version, func(t *testing.T) {
				r, err := http.NewRequestWithContext(t.Context(), "GET", e.URL+plainBase+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Authorization", "Bearer "+token)
				res, err := client.Do(r)
				if err != nil {
					return // cut off before it began
				}
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				if err == nil || res.StatusCode != 200 {
					t.Errorf("%d %q: the caller takes it for whole", res.StatusCode, body)
				}
				if !strings.HasPrefix("partial", string(body)) {
					t.Errorf("the caller got %q", body)
				}
			})
		}
	}
	t.Run("an error of the API's own passes as it is", func(t *testing.T) {
		a := s.do("GET", e.URL+plainBase+"/error", map[string]string{"Authorization": "Bearer " + token}, "")
		if a.status != 500 || string(a.body) != "the API's own words\n" {
			t.Errorf("got %d %s", a.status, a.body)
		}
	})
	t.Run("a redirect is the caller's to follow", func(t *testing.T) {
		a := s.do("GET", e.URL+plainBase+"/redirect", map[string]string{"Authorization": "Bearer " + token}, "")
		if a.status != 302 || a.header.Get("Location") != "https://elsewhere.example/x" {
			t.Errorf("got %d %v", a.status, a.header)
		}
	})
}

func port(t *testing.T, target string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}
