package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/localca"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// inner is an upstream that only its own authority vouches for, under another name
// than its address, and that lets in only who has a certificate of another.
type inner struct {
	*httptest.Server
	server, clients *localca.Authority
	seen            atomic.Pointer[big.Int] // the serial number of the newest caller
	proto           atomic.Int64
}

func newInner(t *testing.T) *inner {
	t.Helper()
	in := &inner{}
	var err error
	in.server, err = localca.OpenNamed(t.TempDir(), "upstreams", time.Now)
	must(t, err)
	in.clients, err = localca.OpenNamed(t.TempDir(), "gateways", time.Now)
	must(t, err)
	certificate, err := in.server.Issue([]string{"inner.example"})
	must(t, err)
	in.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		in.seen.Store(r.TLS.PeerCertificates[0].SerialNumber)
		in.proto.Store(int64(r.ProtoMajor))
	}))
	in.TLS = &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*certificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots(t, in.clients.File),
	}
	in.EnableHTTP2 = true
	in.Config.ErrorLog = nil
	in.StartTLS()
	t.Cleanup(in.Close)
	return in
}

func roots(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(file)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

// serial returns that of a certificate in a file.
func serial(t *testing.T, cert, key string) *big.Int {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(cert, key)
	must(t, err)
	return pair.Leaf.SerialNumber
}

func TestUpstreamsAreKnownByTheirOwnAuthorityAndShownACertificate(t *testing.T) {
	up := newInner(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "gateway.pem"), filepath.Join(dir, "gateway.key")
	must(t, up.clients.IssueClient("gateway", cert, key))

	c := settings(t, t.TempDir(), "")
	c.UpstreamTLS = map[string]*config.UpstreamTLS{
		"inner":    {CA: up.server.File, Certificate: cert, Key: key, ServerName: "inner.example"},
		"nameless": {CA: up.server.File, Certificate: cert, Key: key},
		"bare":     {CA: up.server.File, ServerName: "inner.example"},
	}
	n := runWith(t, server.Options{Config: c, Now: time.Now, Pace: server.Pace{Certificates: 10 * time.Millisecond}})
	files := fstest.MapFS{"products.yaml": {Data: []byte("- name: P\n  title: P\n")}}
	for name, rules := range map[string]string{
		"relay": "tls: inner", "lenient": "tls: inner, lenient: true", "two": "tls: inner, http: 2", "auto": "tls: inner, http: auto",
		"system": "timeout: 5s", "nameless": "tls: nameless", "nameless-two": "tls: nameless, http: 2", "bare": "tls: bare", "bare-two": "tls: bare, http: 2",
	} {
		files[name+"/manifest.yaml"] = &fstest.MapFile{Data: []byte("title: Inner\nbase_path: /" + name + "\nproducts: [P]\n" +
			"upstreams:\n  production: {url: \"" + up.URL + "\", " + rules + "}\nrequest: {public: [other]}\n")}
	}
	must(t, n.ApplyCatalog(t.Context(), market.System, files))
	ask := func(name string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.production().URL+"/"+name+"/x", nil)
		must(t, err)
		res, err := n.client.Do(r)
		must(t, err)
		defer res.Body.Close()
		var text strings.Builder
		_ = res.Write(&text)
		return res.StatusCode, text.String()
	}
	works := map[string]int64{"relay": 1, "lenient": 1, "two": 2, "auto": 2}
	first := serial(t, cert, key)
	for name, proto := range works {
		if status, text := ask(name); status != 200 || up.seen.Load().Cmp(first) != 0 || up.proto.Load() != proto {
			t.Errorf("%s: HTTP/%d, %s", name, up.proto.Load(), text)
		}
	}
	for _, name := range []string{"system", "nameless", "nameless-two", "bare", "bare-two"} {
		status, text := ask(name)
		if status != 502 || strings.Contains(text, up.Listener.Addr().String()) || strings.Contains(text, "x509") || strings.Contains(text, "inner.example") {
			t.Errorf("%s: %s", name, text)
		}
	}

	must(t, os.Remove(cert))
	must(t, os.Remove(key))
	must(t, up.clients.IssueClient("gateway", cert, key))
	second := serial(t, cert, key)
	for name := range works {
		soon(t, "the renewed certificate is shown, "+name, func() bool {
			status, text := ask(name)
			if status != 200 {
				t.Fatal(text)
			}
			return up.seen.Load().Cmp(second) == 0
		})
	}
}
