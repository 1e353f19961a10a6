package server

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// The hot paths, each measured through its own handler, beside what it cannot
// be cheaper than: the bare signature for a token, httputil.ReverseProxy alone
// for a call. Compare within a run; machines drift.

const benchProduct = "MN_Product_Bench_v1"

// benchServer is a server with that many apps and one API.
func benchServer(b *testing.B, algorithm string, apps int, reuse time.Duration, upstream string) *Server {
	b.Helper()
	s, err := crowded(b.Context(), b.TempDir(), algorithm, crowd{apps: apps, secrets: 2, reuse: &reuse}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.close)
	if upstream != "" {
		catalog, err := benchCatalog(upstream)
		if err != nil {
			b.Fatal(err)
		}
		s.production().gateway.SetCatalog(catalog)
	}
	return s
}

func (s *Server) production() *environment {
	for _, e := range s.environments {
		if e.name == market.Production {
			return e
		}
	}
	return nil
}

// benchCatalog has one API, under all that a call can be under: a product, a rate,
// a document.
func benchCatalog(upstream string) (*manifest.Catalog, error) {
	return manifest.Load(fstest.MapFS{
		"products.yaml": {Data: []byte("- name: " + benchProduct + "\n  title: Bench\n")},
		"bench-v1/manifest.yaml": {Data: []byte("title: Bench\nsummary: Bench\nbase_path: /bench/v1\nproducts: [" + benchProduct + "]\n" +
			"openapi: openapi.yaml\nupstreams:\n  production: {url: " + upstream + "}\nrequest: {rate: {per_second: 1000000}}\n")},
		"bench-v1/openapi.yaml": {Data: []byte("openapi: 3.1.0\ninfo: {title: Bench, version: v1}\npaths:\n  /thing:\n    get:\n" +
			"      operationId: thing\n      responses: {'200': {description: ok, content: {application/json: {example: {a: 1}}}}}\n")},
	}, manifest.Options{})
}

// cpu reports the CPU time of the whole process per operation: what a server
// costs, on however many cores.
func cpu(b *testing.B, loop func()) {
	b.Helper()
	var before, after syscall.Rusage
	runtime.GC()
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	loop()
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		b.Fatal(err)
	}
	micros := func(r syscall.Rusage) float64 {
		return float64(r.Utime.Sec+r.Stime.Sec)*1e6 + float64(r.Utime.Usec+r.Stime.Usec)
	}
	b.ReportMetric((micros(after)-micros(before))/float64(b.N), "cpu-µs/op")
}

// sink is a ResponseWriter that keeps nothing but the status.
type sink struct {
	header http.Header
	status int
	body   []byte
	keep   bool
}

func (w *sink) Header() http.Header  { return w.header }
func (w *sink) WriteHeader(code int) { w.status = code }
func (w *sink) Write(p []byte) (int, error) {
	if w.keep {
		w.body = append(w.body, p...)
	}
	return len(p), nil
}

func (s *Server) benchToken(b *testing.B, path string, i int) string {
	b.Helper()
	w := &sink{header: http.Header{}, keep: true}
	s.environmentHandler(s.production()).ServeHTTP(w, tokenRequest(path, i))
	var got struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(w.body, &got); err != nil || w.status != http.StatusOK {
		b.Fatalf("%d %s %v", w.status, w.body, err)
	}
	return got.Token
}

func tokenRequest(path string, i int) *http.Request {
	body := "grant_type=client_credentials&client_id=" + benchClient(i) + "&client_secret=" + benchSecret(i, 0)
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func BenchmarkToken(b *testing.B) {
	paths := map[string]string{"v1": "/apip/auth/v1/token", "v2": "/apip/auth/v2/token", "v3": "/apip/auth/sntl/v1/token", "rfc": "/oauth2/token"}
	run := func(s *Server, path string, apps int) func(*testing.B) {
		return func(b *testing.B) {
			h := s.environmentHandler(s.production())
			cpu(b, func() {
				i := 0
				for b.Loop() {
					w := &sink{header: http.Header{}}
					h.ServeHTTP(w, tokenRequest(path, i%apps))
					i++
					if w.status != http.StatusOK {
						b.Fatal(w.status)
					}
				}
			})
		}
	}
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(alg+"/bare signature", bareSignature(alg))
		s := benchServer(b, alg, 10, 0, "")
		for _, dialect := range []string{"v1", "v2", "v3", "rfc"} {
			b.Run(alg+"/"+dialect, run(s, paths[dialect], 10))
		}
	}
	b.Run("RS256/v2 reused", run(benchServer(b, "RS256", 10, 20*time.Second, ""), paths["v2"], 10))
	b.Run("ES256/rfc of 100000 apps", run(benchServer(b, "ES256", 100_000, 0, ""), paths["rfc"], 100_000))
	b.Run("RS256/refused: wrong secret", func(b *testing.B) {
		h := benchServer(b, "RS256", 10, 0, "")
		handler := h.environmentHandler(h.production())
		cpu(b, func() {
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, "/oauth2/token", strings.NewReader("grant_type=client_credentials&client_id="+benchClient(1)+"&client_secret=wrong"))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				handler.ServeHTTP(&sink{header: http.Header{}}, r)
			}
		})
	})
}

func bareSignature(alg string) func(*testing.B) {
	return func(b *testing.B) {
		sign, err := bareSigner(alg)
		if err != nil {
			b.Fatal(err)
		}
		input := make([]byte, 700)
		cpu(b, func() {
			for b.Loop() {
				if err := sign(input); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// bareSigner signs with a fresh key, by the shortest way through the standard
// library.
func bareSigner(algorithm string) (sign func(input []byte) error, err error) {
	digest := func(input []byte) []byte { d := sha256.Sum256(input); return d[:] }
	switch algorithm {
	case "RS256":
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		return func(in []byte) error { _, err := rsa.SignPKCS1v15(nil, k, crypto.SHA256, digest(in)); return err }, err
	case "ES256":
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		return func(in []byte) error { _, err := ecdsa.SignASN1(rand.Reader, k, digest(in)); return err }, err
	case "EdDSA":
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return func(in []byte) error { _, err := k.Sign(nil, in, crypto.Hash(0)); return err }, err
	}
	return nil, fmt.Errorf("no algorithm %q", algorithm)
}

func BenchmarkCall(b *testing.B) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(benchAnswer)
	}))
	b.Cleanup(upstream.Close)
	target, err := url.Parse(upstream.URL)
	if err != nil {
		b.Fatal(err)
	}
	alone := &httputil.ReverseProxy{
		Rewrite:    func(pr *httputil.ProxyRequest) { pr.SetURL(target) },
		Transport:  &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
		BufferPool: &buffers{},
	}
	b.Run("httputil.ReverseProxy alone", call(alone, []string{""}))
	for _, apps := range []int{10, 100_000} {
		s := benchServer(b, "RS256", apps, 0, upstream.URL)
		h := s.environmentHandler(s.production())
		one := s.benchToken(b, "/oauth2/token", 1)
		b.Run(fmt.Sprintf("cached token, %d apps", apps), call(h, []string{one}))
		b.Run(fmt.Sprintf("token verified each time, %d apps", apps), func(b *testing.B) {
			cached := s.production().gateway.Verifier
			uncached, err := s.otherVerifier(-1)
			if err != nil {
				b.Fatal(err)
			}
			s.production().gateway.Verifier = uncached
			defer func() { s.production().gateway.Verifier = cached }()
			call(h, []string{one})(b)
		})
		b.Run(fmt.Sprintf("cached verification alone, %d apps", apps), func(b *testing.B) {
			v := s.production().gateway.Verifier
			cpu(b, func() {
				for b.Loop() {
					if _, err := v.Verify(one); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// buffers is the tuning that everybody who measures httputil.ReverseProxy does.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

var benchAnswer = []byte(`{"status":"ok","pad":"` + strings.Repeat("x", 1000) + `"}`)

// otherVerifier is one like production's, with another cache.
func (s *Server) otherVerifier(cache int) (*token.Verifier, error) {
	e := s.production()
	return token.NewVerifier(token.VerifierConfig{
		Ring: e.ring, Issuer: e.issuer, Audience: s.Config.Audience, Environment: string(e.name), Leeway: tokenLeeway, CacheSize: cache, Now: s.Now,
	})
}

func call(h http.Handler, tokens []string) func(*testing.B) {
	return func(b *testing.B) {
		cpu(b, func() {
			i := 0
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, "/bench/v1/thing", http.NoBody)
				r.Header.Set("Authorization", "Bearer "+tokens[i%len(tokens)])
				i++
				w := &sink{header: http.Header{}}
				h.ServeHTTP(w, r)
				if w.status != http.StatusOK {
					b.Fatal(w.status)
				}
			}
		})
	}
}

// BenchmarkMemory reports what an app with two secrets costs, of 100,000: memory, and
// work for a collection.
func BenchmarkMemory(b *testing.B) {
	const apps = 100_000
	var before, after runtime.MemStats
	for b.Loop() {
		m := snapshot.New(time.Now)
		runtime.GC()
		runtime.ReadMemStats(&before)
		if err := m.Load(b.Context(), crowd{apps: apps, secrets: 2, hasher: market.NewHasher(secret.New("bench"))}); err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/apps, "B/app")
		b.ReportMetric(float64(after.HeapObjects-before.HeapObjects)/apps, "objects/app")
		began := time.Now()
		runtime.GC()
		b.ReportMetric(float64(time.Since(began).Nanoseconds())/apps, "ns-collect/app")
		runtime.KeepAlive(m)
	}
}
