package server_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/authserver"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
)

var update = flag.Bool("update", false, "write the transcripts")

// transcript writes down requests as they were sent, and the whole answers, with
// what differs each time replaced by its name.
type transcript struct {
	*node
	text    strings.Builder
	roots   *x509.CertPool
	hidden  *strings.Replacer // in what was sent and answered
	clients string            // the form parameters of the client
	basic   string
}

func record(t *testing.T, n *node, clientID, secret string) *transcript {
	t.Helper()
	pem, err := os.ReadFile(n.Info().CA)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	basic := base64.StdEncoding.EncodeToString([]byte(clientID + ":" + secret))
	return &transcript{
		node: n, roots: roots, clients: "client_id=" + clientID + "&client_secret=" + secret, basic: basic,
		hidden: strings.NewReplacer(
			basic, "{basic}", secret, "{client_secret}", clientID, "{client_id}", n.Info().Portal, "{portal}",
			strings.TrimPrefix(n.production().URL, "https://"), "{host}",
		),
	}
}

// What is another each time, and cannot be known before.
var volatile = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`"(access_?[tT]oken)":"eyJ[\w.-]+"`), `"$1":"{token}"`},
	{regexp.MustCompile(`"trace_id":"[^"]+"`), `"trace_id":"{trace}"`},
	{regexp.MustCompile(`(?m)^(X-Trace-Id): .*$`), `$1: {trace}`},
	{regexp.MustCompile(`(?m)^(Date): .*$`), `$1: {date}`},
}

// sent is a request as a client spells it: what is empty is not sent.
type sent struct {
	method, path, contentType, authorization, more, body string
	length                                               int // that it declares, if it sends no body
}

// wire sends bytes of our own making and returns all that comes back.
func (tr *transcript) wire(text string) string {
	tr.t.Helper()
	host := strings.TrimPrefix(tr.production().URL, "https://")
	conn, err := tls.Dial("tcp", host, &tls.Config{RootCAs: tr.roots, NextProtos: []string{"http/1.1"}})
	must(tr.t, err)
	defer conn.Close()
	must(tr.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, text)
	must(tr.t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(tr.t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(tr.t, err)
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s %s\n", answer.Proto, answer.Status)
	answer.Header.Set("Content-Length", "{length}") // of names that are another each time
	for _, name := range slices.Sorted(maps.Keys(answer.Header)) {
		for _, value := range answer.Header[name] {
			fmt.Fprintf(&out, "%s: %s\n", name, value)
		}
	}
	fmt.Fprintf(&out, "\n%s", body)
	return out.String()
}

// add sends a request and writes it down with its answer.
func (tr *transcript) add(title string, q sent) {
	tr.t.Helper()
	host := strings.TrimPrefix(tr.production().URL, "https://")
	text := q.method + " " + q.path + " HTTP/1.1\nHost: " + host + "\nConnection: close\n"
	if q.authorization != "" {
		text += "Authorization: " + q.authorization + "\n"
	}
	if q.contentType != "" {
		text += "Content-Type: " + q.contentType + "\n"
	}
	if q.more != "" {
		text += q.more + "\n"
	}
	if length := max(q.length, len(q.body)); length > 0 {
		text += fmt.Sprintf("Content-Length: %d\n", length)
	}
	answer := tr.wire(strings.ReplaceAll(text, "\n", "\r\n") + "\r\n" + q.body)
	tr.text.WriteString("## " + title + "\n\n")
	tr.quote("> ", text+"\n"+q.body)
	tr.quote("< ", answer)
}

func (tr *transcript) quote(mark, text string) {
	text = tr.hidden.Replace(strings.TrimRight(text, "\n"))
	for _, v := range volatile {
		text = v.pattern.ReplaceAllString(text, v.name)
	}
	for line := range strings.SplitSeq(text, "\n") {
		tr.text.WriteString(strings.TrimRight(mark+line, " ") + "\n")
	}
	tr.text.WriteString("\n")
}

// holds compares what was written down with testdata/transcripts/name.txt.
func (tr *transcript) holds(name string) {
	tr.t.Helper()
	file := filepath.Join("testdata", "transcripts", name+".txt")
	got := tr.text.String()
	tr.text.Reset()
	if *update {
		must(tr.t, os.WriteFile(file, []byte(got), 0o600))
		return
	}
	want, err := os.ReadFile(file)
	must(tr.t, err)
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		tr.t.Errorf("%s: what the wire says has changed; if it should, go test ./internal/server -run Transcript -update (-file +wire)\n%s", name, diff)
	}
}

const (
	formBody = "application/x-www-form-urlencoded"
	jsonBody = "application/json"
	granted  = "grant_type=client_credentials&"
)

// succeeds writes down the ways to get a token at path.
func (tr *transcript) succeeds(path string, takesJSON bool) {
	tr.t.Helper()
	object := tr.object(`"grant_type":"client_credentials",`)
	post := func(title, at, contentType, authorization, body string) {
		tr.add(title, sent{method: "POST", path: at, contentType: contentType, authorization: authorization, body: body})
	}
	post("success by form", path, formBody, "", granted+tr.clients)
	post("success by form with a charset", path, formBody+"; charset=UTF-8", "", granted+tr.clients)
	post("success with a trailing slash", path+"/", formBody, "", granted+tr.clients)
	post("success by Basic", path, formBody, "Basic "+tr.basic, "grant_type=client_credentials")
	post("success with a scope", path, formBody, "", granted+tr.clients+"&scope="+product)
	if takesJSON {
		post("success by JSON", path, jsonBody, "", object)
		post("success by JSON with a charset", path, jsonBody+"; charset=utf-8", "", object)
	} else {
		post("JSON where only forms go", path, jsonBody, "", object)
	}
}

// object is the client as a JSON object that begins with more.
func (tr *transcript) object(more string) string {
	return "{" + more + `"client_id":"` + strings.NewReplacer("client_id=", "", "&client_secret=", `","client_secret":"`).Replace(tr.clients) + `"}`
}

// refuses writes down the rows of CONTRACT 2.9.
func (tr *transcript) refuses(path string, takesJSON bool) {
	tr.t.Helper()
	unknown := "client_id=nobody&client_secret=wrong"
	wrong := tr.clients[:strings.IndexByte(tr.clients, '&')] + "&client_secret=wrong"
	wrongBasic := "Basic " + base64.StdEncoding.EncodeToString([]byte("nobody:wrong"))
	for _, c := range []struct {
		title string
		sent  sent
	}{
		{"no grant_type", sent{body: tr.clients}},
		{"an empty grant_type", sent{body: "grant_type=&" + tr.clients}},
		{"another grant", sent{body: "grant_type=password&" + tr.clients}},
		{"a parameter twice", sent{body: granted + granted + tr.clients}},
		{"no client", sent{body: "grant_type=client_credentials"}},
		{"an unknown client", sent{body: granted + unknown}},
		{"a wrong secret", sent{body: granted + wrong}},
		{"a wrong secret by Basic", sent{authorization: wrongBasic, body: "grant_type=client_credentials"}},
		{"two ways to authenticate", sent{authorization: "Basic " + tr.basic, body: granted + tr.clients}},
		{"a scope that is not the app's", sent{body: granted + tr.clients + "&scope=openid"}},
		{"a scope that cannot be one", sent{body: granted + tr.clients + `&scope=%22`}},
		{"a resource that is none", sent{body: granted + tr.clients + "&resource=https://x.example"}},
		{"credentials in the URL", sent{path: path + "?client_id=a", body: granted + tr.clients}},
		{"a body too large", sent{contentType: formBody, length: 64<<10 + 1}},
		{"another media type", sent{contentType: "text/plain", body: granted + tr.clients}},
		{"a Content-Encoding", sent{more: "Content-Encoding: gzip", body: granted + tr.clients}},
		{"another charset", sent{contentType: formBody + "; charset=utf-16", body: granted + tr.clients}},
		{"a body that cannot be read", sent{body: "grant_type=%zz"}},
		{"not POST", sent{method: "GET"}},
	} {
		q := c.sent
		if q.method == "" {
			q.method = "POST"
		}
		if q.path == "" {
			q.path = path
		}
		if q.contentType == "" && q.body != "" {
			q.contentType = formBody
		}
		tr.add(c.title, q)
	}
	if takesJSON {
		tr.add("a JSON member twice", sent{method: "POST", path: path, contentType: jsonBody, body: tr.object(`"client_id":"a",`)})
		tr.add("JSON without grant_type", sent{method: "POST", path: path, contentType: jsonBody, body: tr.object("")})
	}
	health := strings.TrimSuffix(path, "token") + "healthcheck"
	tr.add("the health check", sent{method: "GET", path: health})
	tr.add("the health check with a trailing slash", sent{method: "GET", path: health + "/"})
	tr.add("the health check by POST", sent{method: "POST", path: health})
}

// disabled writes down what an app gets that is disabled.
func (tr *transcript) disabled(path string) {
	tr.add("an app that is disabled", sent{method: "POST", path: path, contentType: formBody, body: granted + tr.clients})
}

// recorder is a server over c with a customer, whose requests are written down.
func recorder(t *testing.T, c *config.Config) (tr *transcript, disable func()) {
	t.Helper()
	at := time.Now() // and it stays so: nothing ends, and no limit fills up again
	n := runAt(t, c, func() time.Time { return at })
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue("http://127.0.0.1:1")))
	_, app, text := customer(t, n.Market)
	soon(t, "the secret works", func() bool {
		status, _ := n.token(app.ClientID, text)
		return status == http.StatusOK
	})
	return record(t, n, app.ClientID, text.Reveal()), func() {
		state := market.AppDisabled
		_, err := n.Market.ChangeApp(t.Context(), market.System, app.ID, market.AppPatch{State: &state, Guard: market.Guard(true)})
		must(t, err)
		soon(t, "the app is disabled", func() bool {
			status, _ := n.token(app.ClientID, text)
			return status == http.StatusBadRequest
		})
	}
}

func TestTranscriptsOfTheDialects(t *testing.T) {
	tr, disable := recorder(t, settings(t, t.TempDir(), ""))
	dialects := []struct {
		name, path string
		json       bool
	}{
		{"v1", "/apip/auth/v1/token", true},
		{"v2", "/apip/auth/v2/token", true},
		{"v3", "/apip/auth/sntl/v1/token", true},
		{"v3-form", "/auth/sntl/v1/token", false},
		{"rfc", "/oauth2/token", false},
	}
	for _, d := range dialects {
		tr.succeeds(d.path, d.json)
		tr.refuses(d.path, d.json)
		tr.holds(d.name)
	}
	disable()
	for _, d := range dialects {
		tr.disabled(d.path)
	}
	tr.holds("disabled")
}

func TestTranscriptsOfAnOperatorsOptions(t *testing.T) {
	c := settings(t, t.TempDir(), "")
	p := c.Environments[market.Production]
	p.V1.Off, p.V1.Alias = true, true
	p.TokenEndpoints = []config.Endpoint{
		{Path: "/apip/auth/v1/token", Dialect: "v1", JSON: true},
		{Path: "/apip/auth/v2/token", Dialect: "v2", JSON: true},
		{Path: "/oauth2/token", Dialect: "rfc"},
		{Path: "/bad/token", Dialect: "v2", JSON: true, Profile: config.Profile{BadCredentialsAre400: true}},
		{Path: "/reason/token", Dialect: "v3", JSON: true, Profile: config.Profile{FailureReason: true}},
		{Path: "/lax/token", Dialect: "v2", JSON: true, Profile: config.Profile{GrantTypeOptional: true}},
		{Path: "/all/token", Dialect: "v3", JSON: true, Profile: config.Profile{BadCredentialsAre400: true, FailureReason: true, GrantTypeOptional: true}},
	}
	must(t, c.Complete())
	tr, disable := recorder(t, c)
	for _, path := range []string{"/apip/auth/v1/token", "/apip/auth/v1/token/"} {
		tr.add("v1, which is switched off", sent{method: "POST", path: path, contentType: formBody, body: granted + tr.clients})
	}
	tr.holds("v1-off")
	tr.succeeds("/apip/auth/v2/token", true)
	tr.holds("v2-alias")
	for name, path := range map[string]string{
		"bad-credentials-are-400": "/bad/token", "failure-reason": "/reason/token", "grant-type-optional": "/lax/token", "all-profiles": "/all/token",
	} {
		tr.succeeds(path, true)
		tr.refuses(path, true)
		tr.holds(name)
	}
	disable()
	for _, e := range p.TokenEndpoints[1:] {
		tr.disabled(e.Path)
	}
	tr.holds("disabled-with-profiles")
}

func TestTranscriptsOfALimit(t *testing.T) {
	c := settings(t, t.TempDir(), "")
	c.Environments[market.Production].TokenRequests = 1
	tr, _ := recorder(t, c)
	body := granted + tr.clients
	soon(t, "two are too many at once", func() bool {
		return strings.Contains(tr.wire("POST /oauth2/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: "+formBody+
			fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n", len(body))+body), "slow_down")
	})
	for _, path := range []string{"/apip/auth/v1/token", "/apip/auth/v2/token", "/apip/auth/sntl/v1/token", "/auth/sntl/v1/token", "/oauth2/token"} {
		tr.add("too many requests at "+path, sent{method: "POST", path: path, contentType: formBody, body: body})
	}
	tr.holds("limit")
}

// A signature that never ends holds the only turn, and the line behind it is full.
func TestTranscriptsOfAnOverload(t *testing.T) {
	c := settings(t, t.TempDir(), "")
	tr, _ := recorder(t, c)
	var turn atomic.Int64
	held, stuck := make(chan struct{}), make(chan struct{})
	turns := authserver.NewTurns(1, func() time.Time {
		n := turn.Add(1)
		if n == stopAt {
			close(stuck)
			<-held
		}
		return time.Unix(0, n*int64(100*time.Millisecond)) // a signature seems to take so long
	})
	tr.SignBy(turns)
	defer close(held)
	body := granted + tr.clients
	sign := func() string {
		return tr.wire("POST /oauth2/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: " + formBody + fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n", len(body)) + body)
	}
	for turn.Load() < stopAt-1 {
		if answer := sign(); !strings.Contains(answer, "200 OK") {
			t.Fatal(answer)
		}
	}
	ask := func() { // until the test ends
		r, err := http.NewRequest(http.MethodPost, tr.production().URL+"/oauth2/token", strings.NewReader(body))
		must(t, err)
		r.Header.Set("Content-Type", formBody)
		go func() {
			if res, err := tr.client.Do(r); err == nil {
				_ = res.Body.Close()
			}
		}()
	}
	ask()
	<-stuck
	for range 8 {
		ask()
	}
	// Those that wait give up after two seconds, and are answered alike.
	for _, path := range []string{"/apip/auth/v1/token", "/apip/auth/v2/token", "/apip/auth/sntl/v1/token", "/auth/sntl/v1/token", "/oauth2/token"} {
		tr.add("overloaded, at "+path, sent{method: "POST", path: path, contentType: formBody, body: body})
	}
	tr.holds("overload")
}

// stopAt is the reading of the clock at which a signature gets stuck: after fifty.
const stopAt = 101
