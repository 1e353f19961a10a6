package server_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// canary is in everything that is about a person. What follows it says where it was put.
const canary = "PATIENT-9041-"

// rambling is an upstream that answers with text, whatever it is asked.
func rambling(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for {
					if _, err := http.ReadRequest(in); err != nil {
						return
					}
					if _, err := io.WriteString(conn, text); err != nil {
						return
					}
					if !strings.Contains(text, "Content-Length: 2") {
						return
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// What upstreams say that cannot be read, or not all of it: net/http quotes it.
var rambled = map[string]string{
	"no-head": `{"name": "PATIENT-9041-no-head"}` + "\r\n\r\n",
	"status":  "HTTP/1.1 PATIENT-9041-status OK\r\n\r\n",
	"version": "HTTP/PATIENT-9041-version 200 OK\r\n\r\n",
	"line":    "HTTP/1.1 200 OK\r\nPATIENT-9041-line is no field\r\n\r\n",
	"folded":  "HTTP/1.1 200 OK\r\n PATIENT-9041-folded: x\r\n\r\n",
	"length":  "HTTP/1.1 200 OK\r\nContent-Length: PATIENT-9041-length\r\n\r\n",
	"lengths": "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: PATIENT-9041-lengths\r\n\r\n",
	"coding":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: PATIENT-9041-coding\r\n\r\n",
	"chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nPATIENT-9041-chunk\r\n\r\n",
	"trailer": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nPATIENT-9041-trailer is none\r\n\r\n",
	"behind":  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokPATIENT-9041-behind",
	"upgrade": "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: PATIENT-9041-upgrade\r\n\r\n",
}

// Whatever a caller, an issuer or an upstream says about a person, none of it is written:
// not in the log, a trace, a metric, a refusal, what was counted, or a file; nor in the
// gateway's own answers. But a tracestate is, by its nature, at the collector. What a token
// endpoint is asked for is no person's.
func TestNothingAboutAPersonIsWrittenAnywhere(t *testing.T) {
	var mu sync.Mutex
	var collected strings.Builder
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(&collected, r.Body)
	}))
	t.Cleanup(collector.Close)
	p := newProvider(t, "")
	i := p.configured(t, "ciam")
	i.OrganizationClaim = "org"
	c := trusting(t, i)
	all := 1.0
	c.Tracing = config.Tracing{OTLP: collector.URL, Sample: &all}
	must(t, c.Complete())
	log := &journal{}
	n := runWith(t, server.Options{Config: c, Now: time.Now, Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})

	files := catalogue(saw(t))
	manifest := func(name, more, upstream string) {
		files[name+"/manifest.yaml"] = &fstest.MapFile{Data: fmt.Appendf(nil,
			"title: %s\nbase_path: /%s\nproducts: [%s]\nupstreams: {production: {url: %q%s}}\nrequest: {issuers: [own, ciam]}\n", name, name, product, upstream, more)}
	}
	for name, text := range rambled {
		manifest("relay-"+name, "", rambling(t, text))
		manifest("lenient-"+name, ", lenient: true", rambling(t, text))
	}
	files["checked/manifest.yaml"] = &fstest.MapFile{Data: []byte("title: Checked\nbase_path: /checked\nproducts: [" + product + "]\nopenapi: openapi.yaml\n" +
		"upstreams: {production: {url: " + saw(t) + "}}\nanswer: {validate: report}\n" +
		"request: {issuers: [own, ciam], tin: {header: X-Tin, pointer: /tin}, submitter: {header: submitterID, pointer: /headers}}\n")}
	files["checked/openapi.yaml"] = &fstest.MapFile{Data: []byte("openapi: 3.1.0\ninfo: {title: Checked, version: v1}\npaths:\n  /it/{id}:\n    post:\n      operationId: it\n" +
		"      parameters:\n      - {name: id, in: path, required: true, schema: {type: integer}}\n      - {name: q, in: query, schema: {enum: [a]}}\n      - {name: X-H, in: header, schema: {type: integer}}\n" +
		"      requestBody: {content: {application/json: {schema: {type: object, additionalProperties: false, properties: {tin: {}, headers: {}, a: {type: integer}, b: {pattern: x}}}}}}\n" +
		"      responses: {'200': {description: ok, content: {application/json: {schema: {type: array}}}}}\n")}
	must(t, n.ApplyCatalog(t.Context(), market.System, files))
	_, app, text := customer(t, n.Market)
	var token string
	soon(t, "the secret works", func() (ok bool) {
		var status int
		status, token = n.token(app.ClientID, text)
		return status == http.StatusOK
	})
	n.state("ciam", "ok")
	// Refusals of the gateway's own are searched too.
	answers := &strings.Builder{}
	ask := func(method, target, token string, header map[string]string, body string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, n.production().URL+target, strings.NewReader(body))
		must(t, err)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		r.Header.Set("Content-Type", "application/json")
		for name, value := range header {
			r.Header.Set(name, value)
		}
		res, err := n.client.Do(r)
		if err != nil {
			return // broken off, as the upstream did
		}
		defer res.Body.Close()
		got, _ := io.ReadAll(res.Body)
		if res.StatusCode >= http.StatusBadRequest {
			fmt.Fprintf(answers, "%v %s\n", res.Header, got)
		}
	}
	for name := range rambled {
		for _, way := range []string{"/relay-", "/lenient-"} {
			for range 2 {
				ask("GET", way+name+"/x", token, nil, "")
			}
		}
	}
	personal := map[string]string{
		"X-Member": canary + "header", canary + "header-name": "1", "User-Agent": canary + "agent", "Referer": "https://x.example/?q=" + canary + "referer",
		"Cookie": "member=" + canary + "cookie", "Baggage": "member=" + canary + "baggage", "From": canary + "from", "X-Forwarded-For": canary + "forwarded",
		"Traceparent": "00-" + theirTrace + "-" + theirSpan + "-01", "X-H": canary + "parameter", "Environment": canary + "environment",
	}
	ask("GET", "/thing/v1/it?member="+canary+"query&"+canary+"query-name=1", token, personal, "")
	ask("GET", "/thing/v1/it?x=%zz"+canary+"query", token, personal, "")
	ask("GET", "/thing/v1/it", token, map[string]string{"Traceparent": "00-" + theirTrace + "-" + theirSpan + "-01", "Tracestate": "x=" + canary + "state"}, "")
	for _, query := range []string{"", "?q=" + canary + "query"} {
		for _, header := range []map[string]string{
			nil, personal,
			{"X-Tin": canary + "tin"},
			{"submitterID": canary + "submitter"},
			{"X-Tin": "987654321"},
			{"Content-Type": "text/" + canary + "type"},
			{"Content-Encoding": canary + "coding"},
			{"Upgrade": canary + "upgrade"},
		} {
			for _, body := range []string{
				`{"a":"` + canary + `body"}`, `{"` + canary + `member":1}`, `{"b":"` + canary + `pattern"}`, `{"tin":"` + canary + `tin"}`, `{"TIN":"` + canary + `tin"}`, `{"tin":{"` + canary + `x":1}}`,
				`{"headers":[{"name":"submitterID","value":"` + canary + `submitter"}]}`, `{"headers":[{"Name":"submitterid","VALUE":"` + canary + `submitter"}]}`,
				`{"` + canary + `twice":1,"` + canary + `twice":2}`, `{"` + canary + `open`, canary + "text", `{}`,
			} {
				ask("POST", "/checked/it/1"+query, token, header, body)
			}
		}
	}
	for _, claims := range []map[string]any{
		{"sub": canary + "user", "org": app.Org},
		{"sub": canary + "user", "email": canary + "email", "org": app.Org, "iat": 1, "exp": 2},
		{"sub": canary + "user", "aud": canary + "audience"},
		{"sub": canary + "user", "org": 1},
		{"sub": strings.Repeat(canary, 100)},
	} {
		ask("POST", "/checked/it/1", p.token(t, claims), nil, `{}`)
		ask("GET", "/relay-status/x", p.token(t, claims), nil, "")
		ask("GET", "/thing/v1/it", p.token(t, claims), nil, "")
	}
	form := url.Values{"grant_type": {canary + "grant"}, "scope": {canary + "scope"}, "resource": {"https://" + canary + "resource"}, canary + "parameter": {"1"}}
	ask("POST", "/oauth2/token?"+canary+"query=1", token, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, form.Encode())
	form = url.Values{"grant_type": {"client_credentials"}, "scope": {canary + "scope"}, "client_id": {app.ClientID}, "client_secret": {text.Reveal()}}
	ask("POST", "/oauth2/token", "", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, form.Encode())
	ask("GET", "/thing/v1/INPATH-1/x", token, nil, "")
	for _, path := range []string{
		"/checked/it/INPATH-2", "/checked/INPATH-3", "/checked/other/inpath", "/checked/it/INPATH-4/x", "/checked/it/%49NPATH-5", "/checked/it/a;INPATH-6", "/relay-chunk/inpath/inpath",
		"/INPATH-7", "/nowhere/inpath", "/checked/../nowhere/inpath", "//checked/inpath", "/oauth2/inpath", "/oauth2/token/INPATH-8", "/oauth2/t%6Fken/inpath",
		"/.well-known/oauth-protected-resource/inpath", "/.well-known/oauth-protected-resource/checked/it/INPATH-9", "/.well-known/inpath",
	} {
		for _, method := range []string{"POST", "GET", "PROPFIND"} {
			ask(method, path, token, nil, "{}")
			ask(method, path, "", nil, "{}")
		}
	}
	_, operator, err := n.Market.AddOperatorToken(t.Context(), market.System, "canary", time.Time{})
	must(t, err)
	for _, surface := range []string{n.Info().Management, n.Info().Portal} {
		for _, path := range []string{
			"/v1/organizations/" + string(app.Org) + "/tins/INPATH", "/v1/organizations/" + string(app.Org) + "/submitters/own/inpath", "/v1/organizations/inpath", "/v1/apps/INPATH-1",
			"/v1/organizations/" + string(app.Org) + "/submitters/INPATH/x", "/v1/refusals/INPATH-2", "/v1/products/inpath", "/v1/keys/inpath/revoke", "/v1//inpath", "/v1/apps/%49NPATH/../x", "/v1/inpath",
			"/apis/inpath", "/apis/INPATH-3/openapi.json", "/errors/inpath", "/nowhere/inpath", "/INPATH-4",
		} {
			for _, method := range []string{"GET", "PUT", "DELETE", "POST"} {
				n.visit(t, method, surface+path, operator)
			}
		}
	}
	n.lines(t, "GET /thing/v1/it HTTP/1.1", "Host: "+canary+"host.example", "Authorization: Bearer "+token)
	n.lines(t, "GET https://"+canary+"absolute.example/thing/v1/it HTTP/1.1", "Host: x", "Authorization: Bearer "+token)
	n.lines(t, "GET /thing/v1/it HTTP/1.1", "Host: x", canary+"line without a colon")
	explained, err := n.operator().Explain(t.Context(), api.Call{
		Method: "POST", URL: n.production().URL + "/checked/it/1?q=" + canary + "query", Token: new(api.NewSecret(token)), Headers: []string{"X-Tin: " + canary + "tin"}, Body: `{"a":"` + canary + `body"}`,
	})
	must(t, err)

	sinks := map[string]string{"the gateway's answers": answers.String()}
	o := n.operator()
	show := func(what string, v any, err error) {
		t.Helper()
		must(t, err)
		data, err := json.Marshal(v)
		must(t, err)
		sinks[what] = string(data)
	}
	show("an explanation", explained, nil)
	metrics, err := o.Metrics(t.Context())
	show("the metrics", metrics, err)
	refusals, err := o.Refusals(t.Context(), api.RefusalFilter{})
	show("the refusals", refusals, err)
	n.stop()
	mu.Lock()
	sinks["the traces"] = strings.ReplaceAll(collected.String(), canary+"state", "")
	mu.Unlock()
	sinks["the log"] = log.String()
	must(t, filepath.WalkDir(c.Data, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(file)
		sinks["the file "+entry.Name()] = string(data)
		return err
	}))
	for what, least := range map[string]int{"the log": 20_000, "the traces": 20_000, "the file sallyport.db": 20_000, "the refusals": 2_000, "the metrics": 2_000, "the gateway's answers": 2_000} {
		if len(sinks[what]) < least {
			t.Errorf("%s is too short to have been tested: %d bytes", what, len(sinks[what]))
		}
	}
	for what, text := range sinks {
		for _, mark := range []string{canary, strings.ToLower(canary), "INPATH", "inpath"} {
			for rest := text; ; {
				at := strings.Index(rest, mark)
				if at < 0 {
					break
				}
				t.Errorf("%s %s: …%q…", mark, what, rest[max(0, at-160):min(len(rest), at+40)])
				rest = rest[at+len(mark):]
			}
		}
	}
}

// lines sends a request byte for byte, and takes what comes.
func (n *node) lines(t *testing.T, lines ...string) {
	t.Helper()
	transport, _ := n.client.Transport.(*http.Transport)
	conn, err := tls.Dial("tcp", strings.TrimPrefix(n.production().URL, "https://"), &tls.Config{RootCAs: transport.TLSClientConfig.RootCAs})
	must(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\nConnection: close\r\n\r\n")
	must(t, err)
	_, _ = io.Copy(io.Discard, conn)
}
