package main

import (
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// upstreamAnswer is what every server's upstream answers.
var upstreamAnswer = `{"status":"ok","pad":"` + strings.Repeat("x", 1000) + `"}`

// play is this program in another role: an upstream, or the tuned ReverseProxy.
func play(role, at, upstream string) error {
	var handler http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, upstreamAnswer)
	})
	if role == "proxy" {
		target := &url.URL{Scheme: "http", Host: upstream}
		handler = &httputil.ReverseProxy{
			Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
			Transport:  &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 1024, DisableCompression: true},
			BufferPool: &buffers{},
		}
	}
	server := &http.Server{Addr: at, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

// buffers is the tuning that everybody who measures ReverseProxy does.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }
