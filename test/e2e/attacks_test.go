package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/tracing"
)

// checkedBase is where serveChecked's APIs are.
const checkedBase = "/test/checked/v1"

// checkedDocument takes anything, so that only the manifest's rules decide.
const checkedDocument = plainDocument + `  /healthcheck:
    get: {operationId: health, responses: {"200": {description: anything}}}
`

// serveChecked applies a catalogue with an API that has those rules, at an
// upstream that counts what reaches it, and answers with what it saw.
func serveChecked(t *testing.T, rules string) (s *site, reached *atomic.Int64) {
	t.Helper()
	reached = &atomic.Int64{}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		mirror(w, r)
	}))
	t.Cleanup(upstream.Close)
	s = start(t)
	s.serveFiles(map[string]string{
		"checked/manifest.yaml": fmt.Sprintf(`base_path: %s
products: [MN_Product_Eligibility_v3]
openapi: openapi.yaml
upstreams: {sandbox: {url: %q}, production: {url: %q}}
request: %s
`, checkedBase, upstream.URL, upstream.URL, rules),
		"checked/openapi.yaml": checkedDocument,
	}, checkedBase)
	return s, reached
}

// knock sends a request over HTTP/1.1, byte for byte, and returns the answer's
// status and the refusal's code.
func (s *site) knock(t *testing.T, e *environment, request, token string, lines []string, body string) (status int, code string) {
	t.Helper()
	conn := s.dial(t, e)
	lines = append([]string{request + " HTTP/1.1", "Host: x", "Authorization: Bearer " + token}, lines...)
	fmt.Fprint(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"+body)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var problem struct{ Error string }
	_ = json.NewDecoder(res.Body).Decode(&problem)
	return res.StatusCode, problem.Error
}

// post is what a POST with a JSON body has beside its token.
func post(body string, more ...string) []string {
	return append([]string{"Content-Type: application/json", fmt.Sprint("Content-Length: ", len(body))}, more...)
}

// attack is a request that must not get past the gateway.
type attack struct {
	name   string
	method string
	lines  []string
	body   string
	status int // 200: no attack, and it gets past
}

// try runs attacks one by one, and sees what reaches the upstream.
func (s *site) try(t *testing.T, reached *atomic.Int64, attacks []attack) {
	t.Helper()
	e := s.Environments["production"]
	token := s.token(e)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			before := reached.Load()
			path := "/x"
			if strings.Contains(a.name, "health check") {
				path = "/healthcheck"
			}
			status, code := s.knock(t, e, a.method+" "+checkedBase+path, token, a.lines, a.body)
			if status != a.status {
				t.Errorf("got %d %s, want %d", status, code, a.status)
			}
			if passed := reached.Load() > before; passed != (a.status == 200) {
				t.Errorf("the upstream was reached: %v", passed)
			}
		})
	}
}

func TestATINIsCheckedWhereverAnUpstreamCouldFindIt(t *testing.T) {
	s, reached := serveChecked(t, `{validate: "off", tin: {header: providerTaxId, pointer: /providers/*/taxId}}`)
	with := func(name, body string, status int, more ...string) attack {
		return attack{name, "POST", post(body, more...), body, status}
	}
	of := func(tins string) string {
		var items []string
		for tin := range strings.SplitSeq(tins, " ") {
			items = append(items, `{"taxId":"`+tin+`"}`)
		}
		return `{"providers":[` + strings.Join(items, ",") + `]}`
	}
	plain := of("123456789")
	typed := func(name, contentType string, status int, more ...string) attack {
		return attack{name, "POST", append([]string{contentType, fmt.Sprint("Content-Length: ", len(plain))}, more...), plain, status}
	}
	s.try(t, reached, []attack{
		with("5.2 one's own passes", plain, 200),
		with("5.2 one's own twice passes", of("123456789 123456789"), 200, "providerTaxId: 123456789"),
		with("5.2 somebody's second to one's own", of("123456789 999999999"), 403),
		with("5.2 somebody's in the body, one's own in the header", of("999999999"), 403, "providerTaxId: 123456789"),
		with("5.2 somebody's in the header, one's own in the body", plain, 403, "providerTaxId: 999999999"),
		with("5.2 no TIN second to one's own", of("123456789 12-345678"), 400),
		with("5.2 two headers that differ", plain, 400, "providerTaxId: 123456789", "providerTaxId: 999999999"),
		with("5.2 a number", `{"providers":[{"taxId":999999999}]}`, 400),
		with("5.2 in an array of its own", `{"providers":[{"taxId":["999999999"]}]}`, 400),
		with("5.2 one provider without its array", `{"providers":{"taxId":"999999999"}}`, 400),
		with("5.2 in another case", `{"providers":[{"TaxId":"999999999"}]}`, 400),
		with("5.2 below a member in another case", `{"Providers":[{"taxId":"999999999"}]}`, 400),
		with("5.2 beside itself in another case", `{"providers":[{"taxId":"123456789","TAXID":"999999999"}]}`, 400),
		with("5.2 an array instead of the document has none", `[`+of("999999999")+`]`, 200),
		typed("5.2 as a text", "Content-Type: text/plain", 415),
		typed("5.2 as JSON in UTF-16", "Content-Type: application/json; charset=utf-16", 415),
		typed("5.2 without a media type", "X-Own: none", 415),
		typed("5.2 said to be compressed", "Content-Type: application/json", 415, "Content-Encoding: gzip"),
		typed("5.2 said to be compressed, and not", "Content-Type: application/json", 415, "Content-Encoding: identity", "Content-Encoding: br"),
		typed("5.2 said to be nothing else", "Content-Type: application/json", 200, "Content-Encoding: identity"),
		{"a checked header is not stripped by Connection", "POST", post(plain, "providerTaxId: 123456789", "Connection: close, PROVIDERTAXID"), plain, 400},
		{"no header is stripped by Connection", "GET", []string{"Connection: X-Sallyport-Identity"}, "", 400},
		{"HTTP2-Settings are none of ours", "GET", []string{"Connection: HTTP2-Settings"}, "", 400},
		{"the usual options of Connection pass", "GET", []string{"Connection: Keep-Alive, TE", "TE: trailers"}, "", 200},
	})
	t.Run("5.2 in the demo's own claim status", func(t *testing.T) {
		e := s.Environments["production"]
		c := e.api(t, "claim-status")
		before := c.Body
		if a := s.call(c, s.token(e), nil); a.status != 200 {
			t.Fatalf("without an attack: %d %s", a.status, a.body)
		}
		c.Body = strings.Replace(before, `"providers":[`, `"providers":[{"providerType":"ServiceProvider","organizationName":"Another","npi":"1234567893","taxId":"999999999"},`, 1)
		if c.Body == before {
			c.Body = strings.Replace(before, `"providers": [`, `"providers": [{"providerType":"ServiceProvider","organizationName":"Another","npi":"1234567893","taxId":"999999999"},`, 1)
		}
		first := s.call(c, s.token(e), nil)
		i := strings.LastIndex(before[:strings.Index(before, `"subscriber"`)], "]")
		c.Body = before[:i] + `,{"providerType":"ServiceProvider","organizationName":"Another","npi":"1234567893","taxId":"999999999"}` + before[i:]
		if second := s.call(c, s.token(e), nil); first.status != 403 || second.status != 403 {
			t.Errorf("somebody's TIN in front: %d, behind: %d %s", first.status, second.status, second.body)
		}
	})
}

func TestASubmitterIDIsCheckedWhereverAnUpstreamCouldFindIt(t *testing.T) {
	s, reached := serveChecked(t, `{validate: "off", submitter: {header: submitterID, host_header: hostSubmitterID, pointer: /headers}}`)
	own := []string{"submitterID: SUB0000001", "hostSubmitterID: HOST000001"}
	pairs := func(more string) string {
		return `{"headers":[{"name":"submitterID","value":"SUB0000001"},{"name":"hostSubmitterID","value":"HOST000001"}` + more + `]}`
	}
	with := func(name, body string, status int, more ...string) attack {
		return attack{name, "POST", post(body, more...), body, status}
	}
	s.try(t, reached, []attack{
		with("4.6 one's own as pairs pass", pairs(""), 200),
		with("4.6 pairs about something else pass", pairs(`,{"name":"X-Other","value":7}`), 200),
		with("4.6 the name in another case passes", strings.Replace(pairs(""), "submitterID", "SubmitterId", 1), 200),
		with("4.6 the name with a space, somebody's", pairs(`,{"name":" submitterID","value":"SUB9999999"}`), 400),
		with("4.6 the name with a zero-width space, somebody's", pairs(`,{"name":"submitterID\u200b","value":"SUB9999999"}`), 400),
		with("4.6 the name with a letter that folds to another, somebody's", pairs(`,{"name":"\u017fubmitterID","value":"SUB9999999"}`), 400),
		with("4.6 a value that is no text", pairs(`,{"name":"submitterID","value":["SUB9999999"]}`), 400),
		with("4.6 a pair with Name instead of name", pairs(`,{"Name":"submitterID","value":"SUB9999999"}`), 400),
		with("4.6 a pair with Value beside value", pairs(`,{"name":"submitterID","value":"SUB0000001","Value":"SUB9999999"}`), 400),
		with("4.6 headers as an object, one's own as headers", `{"headers":{"name":"submitterID","value":"SUB9999999"}}`, 400, own...),
		with("4.6 headers in another case, one's own as headers", `{"Headers":[{"name":"submitterID","value":"SUB9999999"}]}`, 400, own...),
		with("4.6 said to be compressed, one's own as headers", pairs(""), 415, append([]string{"Content-Encoding: gzip"}, own...)...),
		{"4.6 a GET without passes", "GET", nil, "", 200},
		{"4.6 a GET with one's own passes", "GET", own, "", 200},
		{"4.6 a GET with somebody's", "GET", []string{"submitterID: SUB9999999"}, "", 403},
		{"4.6 a GET with somebody's host", "GET", []string{"hostSubmitterID: HOST999999"}, "", 403},
		{"4.6 a HEAD with somebody's", "HEAD", []string{"submitterID: SUB9999999"}, "", 403},
		{"4.6 a GET with somebody's in its body", "GET", post(`{"headers":[{"name":"submitterID","value":"SUB9999999"}]}`), `{"headers":[{"name":"submitterID","value":"SUB9999999"}]}`, 403},
		{"4.6 a health check is about no submitter", "GET", []string{"submitterID: SUB9999999"}, "", 200},
	})
}

func TestWhatACallerCannotSmuggleToTheUpstream(t *testing.T) {
	s := startBefore(t, mirror)
	e := s.Environments["production"]
	token := s.token(e)
	t.Run("headers that some server takes for the gateway's word", func(t *testing.T) {
		var lines []string
		for _, name := range []string{
			"X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "True-Client-IP", "CF-Connecting-IP",
			"X-Client-IP", "X-Cluster-Client-IP", "Remote-User", "X-Remote-User", "X-Client-Cert", "X-SSL-Client-Cert", "X-SSL-Client-S-DN",
			"Client-IP", "Proxy-Client-IP", "WL-Proxy-Client-IP", "WL-Proxy-SSL", "X-ProxyUser-IP", "X-Originating-IP", "X-Remote-IP", "X-Remote-Addr", "X-Forward-For", "X-Forwarded",
			"Fly-Client-IP", "X-Azure-ClientIP", "X-Appengine-User-IP", "X-Vercel-Forwarded-For", "X-Envoy-External-Address", "X-Envoy-Original-Path", "X-Override-URL", "X-Middleware-Subrequest", "Front-End-Https", "X-Url-Scheme",
			"X-Client-DN", "X-Client-Verify", "SSL-Client-Cert", "X-Amzn-Mtls-Clientcert", "X-Amzn-Oidc-Identity", "X-Auth-Request-User", "X-Authentik-Username", "X-WebAuth-User", "X-Goog-Authenticated-User-Email", "X-MS-Client-Principal",
			"X-Forwarded-Client-Cert", "X-Original-Host", "X-Trace-Id", "providerTaxId_", "provider_TaxId", "any.thing", "Content_Encoding",
		} {
			lines = append(lines, name+": forged", strings.ToLower(name)+": forged")
		}
		seen, _ := s.look(t, e, "/x", token, lines...)
		for name, values := range seen.Header {
			if strings.Contains(fmt.Sprint(values), "forged") && name != "X-Trace-Id" {
				t.Errorf("%s: %q came through", name, values)
			}
		}
	})
	t.Run("the host it was called by", func(t *testing.T) {
		seen, _ := s.look(t, e, "/x", token)
		if diff := cmp.Diff([]string{host(t, e.URL)}, seen.Header["X-Forwarded-Host"]); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a token in the URL", func(t *testing.T) {
		seen, _ := s.look(t, e, "/x?a=%2F&access_token="+token+"&b&Access%5Ftoken=x&c=1", token)
		if want := plainBase + "/x?a=%2F&b&c=1"; seen.URI != want {
			t.Errorf("the upstream saw %s, want %s", seen.URI, want)
		}
	})
	t.Run("a trace context that is none", func(t *testing.T) {
		good := "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		if seen, _ := s.look(t, e, "/x", token, "traceparent: "+good, "tracestate: a=1"); seen.Header.Get("Traceparent") != good || seen.Header.Get("Tracestate") != "a=1" {
			t.Errorf("a good one: the upstream saw %v", seen.Header)
		}
		for _, bad := range []string{"rubbish", good + "-more", strings.Replace(good, "00-", "ff-", 1), strings.Replace(good, "4bf9", "4BF9", 1), "00-" + strings.Repeat("0", 32) + good[35:]} {
			seen, _ := s.look(t, e, "/x", token, "traceparent: "+bad, "tracestate: a=1")
			parent := seen.Header.Get("Traceparent")
			if parent == bad || !tracing.Valid(parent) || !strings.HasSuffix(parent, "-00") || seen.Header.Get("Tracestate") != "" {
				t.Errorf("%s: the upstream saw %v", bad, seen.Header)
			}
		}
	})
	t.Run("trailers that say who calls", func(t *testing.T) {
		conn := s.dial(t, e)
		fmt.Fprintf(conn, "POST %s/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n"+
			"Trailer: X-Sallyport-Identity, Authorization, X_Sallyport_Client_Id, X-Own\r\n\r\n"+
			"1\r\nx\r\n0\r\nX-Sallyport-Identity: forged\r\nAuthorization: forged\r\n\r\n", plainBase, token)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var seen sight
		if err := json.NewDecoder(res.Body).Decode(&seen); err != nil || seen.Body != "x" {
			t.Fatalf("%d %v, %v", res.StatusCode, seen, err)
		}
		for name := range seen.Trailer {
			if name != "X-Own" {
				t.Errorf("%s is announced to the upstream", name)
			}
		}
		if _, there := seen.Trailer["X-Own"]; !there {
			t.Error("the caller's own is not announced")
		}
	})
	t.Run("an end of the request line in the query, over HTTP/2", func(t *testing.T) {
		for _, query := range []string{"a=1 HTTP/1.1", "a b", `a="b"`, "a<b", "a\\b", "a^b", "a`b", "a|b", "a{b}", "a=é", "a=%00", "a=%0a", "a=%0D", "a=%zz", "a=%"} {
			r, err := http.NewRequestWithContext(t.Context(), "GET", e.URL+plainBase+"/x", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.URL.RawQuery = query
			r.Header.Set("Authorization", "Bearer "+token)
			res, err := s.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != 400 || res.ProtoMajor != 2 {
				t.Errorf("%q: %s %d", query, res.Proto, res.StatusCode)
			}
		}
	})
}

func TestACallersFaultIsNotTheUpstreams(t *testing.T) {
	s := startBefore(t, mirror)
	e := s.Environments["production"]
	token := s.token(e)
	for name, body := range map[string]string{"a chunk that is none": "zz\r\nrubbish", "a chunk longer than it says": "1\r\nxxxxx\r\n0\r\n\r\n"} {
		t.Run("4.2 "+name, func(t *testing.T) {
			status, code := s.knock(t, e, "POST "+plainBase+"/x", token, []string{"Transfer-Encoding: chunked"}, body)
			if status != 400 || code != "invalid_request" {
				t.Errorf("got %d %s", status, code)
			}
		})
	}
	t.Run("4.2 a body shorter than it says", func(t *testing.T) {
		conn := s.dial(t, e)
		fmt.Fprintf(conn, "POST %s/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\nshort", plainBase, token)
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != 400 {
			t.Errorf("got %d", res.StatusCode)
		}
	})
}

func TestWhatAnUpstreamCannotTellCallers(t *testing.T) {
	var own string
	s := startBefore(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for _, name := range []string{"Via", "X-AspNet-Version", "X-AspNetMvc-Version", "X-Backend-Server", "X-Powered-By", "Server", "X-Sallyport-Client-Id"} {
			h.Set(name, "SECRET")
		}
		if place := r.URL.Query().Get("place"); place != "" {
			place = strings.ReplaceAll(place, "HOST", r.Host)
			h.Set("Location", place)
			h.Set("Content-Location", place)
		}
		if r.URL.Path == plainBase+"/early" {
			h.Set("Link", "<http://SECRET/>")
			h.Set("X-Sallyport-Source", "SECRET")
			w.WriteHeader(http.StatusEarlyHints)
			h.Del("Link")
		}
		h.Set("Trailer", "X-Sallyport-Source, X-Sum")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "made")
		h.Set("X-Sallyport-Source", "SECRET")
		h.Set("X-Sum", "7")
		h.Set(http.TrailerPrefix+"X-Trace-Id", "SECRET")
		h.Set(http.TrailerPrefix+"Via", "SECRET")
	})
	e := s.Environments["production"]
	own = e.URL
	token := s.token(e)
	for name, client := range map[string]*http.Client{"HTTP/1.1": s.oneDotOne(), "HTTP/2": s.client} {
		t.Run("what it is made of, in headers and trailers, over "+name, func(t *testing.T) {
			for _, path := range []string{"/x", "/early"} {
				res := s.open(client, e, "GET", path, token, nil)
				if body, err := io.ReadAll(res.Body); err != nil || string(body) != "made" {
					t.Fatalf("%q, %v", body, err)
				}
				if told := fmt.Sprint(res.Header, res.Trailer); strings.Contains(told, "SECRET") || res.Trailer.Get("X-Sum") != "7" {
					t.Errorf("%s: the caller is told %s", path, told)
				}
				if res.Header.Get("X-Sallyport-Source") != "live" || res.Header.Get("X-Trace-Id") == "" {
					t.Errorf("5.4 %s: our own headers are gone: %v", path, res.Header)
				}
			}
		})
	}
	for place, want := range map[string]string{
		"http://HOST/test/plain/v1/y%3Fa=1":  own + "/test/plain/v1/y?a=1",
		"//HOST/test/plain/v1/y":             own + "/test/plain/v1/y",
		"https://HOST/test":                  "",
		"http://127.0.0.1:1/admin":           "",
		"http://user@HOST/test/plain/v1/y":   "",
		"/test/plain/v1/y":                   "/test/plain/v1/y",
		"y":                                  "y",
		"https://elsewhere.example/x":        "https://elsewhere.example/x",
		"http://HOST:99999999/no-URL-at-all": "",
	} {
		t.Run("where it is: "+place, func(t *testing.T) {
			res := s.open(s.client, e, "GET", "/x?place="+place, token, nil)
			if got := res.Header.Get("Location"); got != want || res.Header.Get("Content-Location") != want {
				t.Errorf("the caller is sent to %q, want %q", got, want)
			}
		})
	}
}

func TestAnUpgradeOpensNoTunnel(t *testing.T) {
	var reached atomic.Int64
	s := startBefore(t, func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+r.Header.Get("Upgrade")+"\r\n\r\n")
		_, _ = io.Copy(conn, buffer)
	})
	sandbox, production := s.Environments["sandbox"], s.Environments["production"]
	for _, tt := range []struct {
		name  string
		e     *environment
		lines []string
	}{
		{"to websocket where the manifest does not say so", sandbox, []string{"Connection: Upgrade", "Upgrade: websocket"}},
		{"to h2c", production, []string{"Connection: Upgrade", "Upgrade: h2c"}},
		{"to anything", production, []string{"Connection: Upgrade", "Upgrade: sql"}},
		{"to h2c behind websocket", production, []string{"Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"}},
		{"to h2c beside websocket", production, []string{"Connection: Upgrade", "Upgrade: websocket, h2c"}},
		{"with a body", production, []string{"Connection: Upgrade", "Upgrade: websocket", "Content-Length: 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, code := s.knock(t, tt.e, "GET "+plainBase+"/x", s.token(tt.e), tt.lines, "x")
			if status != 400 || code != "invalid_request" || reached.Load() != 0 {
				t.Errorf("got %d %s, the upstream was reached %d times", status, code, reached.Load())
			}
		})
	}
	t.Run("that outlives its token", func(t *testing.T) {
		token, h := s.token(production), newHolder(t)
		narrow, _ := s.form(production.URL+"/oauth2/token", "grant_type", "client_credentials", "client_id", production.ClientID,
			"client_secret", production.ClientSecret, "resource", production.URL+plainBase).json(t)["access_token"].(string)
		bound := s.bound(production, h)
		open := func(authorization string) (net.Conn, *bufio.Reader) {
			conn := s.dial(t, production)
			fmt.Fprintf(conn, "GET %s/x HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", plainBase, authorization)
			reader := bufio.NewReader(conn)
			if res, err := http.ReadResponse(reader, nil); err != nil || res.StatusCode != 101 {
				t.Fatalf("%v, %v", res, err)
			}
			return conn, reader
		}
		of := map[string]string{
			"a token for this API alone": "Bearer " + narrow,
			"a bound token":              "DPoP " + bound + "\r\nDPoP: " + h.proof("GET", production.URL+plainBase+"/x", bound, nil),
		}
		conn, reader := open("Bearer " + token)
		others, readers := map[string]net.Conn{}, map[string]*bufio.Reader{}
		for what, authorization := range of {
			others[what], readers[what] = open(authorization)
		}
		time.Sleep(1500 * time.Millisecond) // they are asked meanwhile, and go on
		others["a token"], readers["a token"] = conn, reader
		for what, conn := range others {
			fmt.Fprint(conn, "still\n")
			if got, err := readers[what].ReadString('\n'); got != "still\n" || err != nil {
				t.Fatalf("%s: %q, %v", what, got, err)
			}
		}
		revoked := s.form(production.URL+"/oauth2/revoke", "client_id", production.ClientID, "client_secret", production.ClientSecret, "token", token)
		if revoked.status != 200 {
			t.Fatalf("%d %s", revoked.status, revoked.body)
		}
		if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := reader.ReadString('\n'); err == nil || time.Since(began) > 4*time.Second {
			t.Errorf("it goes on: %v after %v", err, time.Since(began))
		}
	})
}
