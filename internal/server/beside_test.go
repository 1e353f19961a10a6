package server

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/localca"
	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/relay"
)

// What test/bench sets beside the server, and the catalogues that it gives it.

// measureNull serves what costs nothing, or a bare signature, in an answer as long as
// a token's: what is left of a latency is net/http's, the load's and the machine's.
func measureNull(o order, in io.Reader, out io.Writer) error {
	where := map[string]string{}
	var encrypted *tls.Config
	if o.TLS {
		ca, err := localca.Open(o.Folder, time.Now)
		if err != nil {
			return err
		}
		certificate, err := ca.Issue(defaultHosts())
		if err != nil {
			return err
		}
		where["ca"] = ca.File
		encrypted = &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12}
	}
	b, err := newBare()
	if err != nil {
		return err
	}
	for environment, algorithm := range map[string]string{"production": "RS256", "sandbox": "ES256"} {
		sign := b[algorithm][0] // one key, as a token service has
		if !o.Sign {
			sign = func([]byte) error { return nil }
		}
		socket, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if err := sign(make([]byte, 700)); err != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
			_, _ = w.Write(make([]byte, 1000))
		})}
		if o.Upstream != "" {
			s.Handler = relayAlone(strings.TrimPrefix(o.Upstream, "http://"))
		}
		defer s.Close()
		where[environment] = "http://" + socket.Addr().String()
		scheme := "http"
		if o.TLS {
			scheme, socket = "https", tls.NewListener(socket, encrypted)
		}
		where[environment] = scheme + "://" + socket.Addr().String()
		go func() { _ = s.Serve(socket) }() // until Close
	}
	return b.tell(where, o.Folder, 0, in, out)
}

// relayAlone passes requests without a body on as the gateway's relay does, and does
// nothing else: what a gateway behind net/http costs at the least.
func relayAlone(upstream string) http.Handler {
	client := relay.New(relay.Config{
		Address: upstream, Dial: time.Second, Timeout: 10 * time.Second, Idle: time.Minute, MaxIdle: 256, MaxHead: 64 << 10, MaxFields: 100,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := relay.Request{Method: r.Method, Target: r.URL.RequestURI(), Host: upstream, Fields: make([]relay.Field, 0, 8)}
		for name, values := range r.Header {
			for _, value := range values {
				out.Fields = append(out.Fields, relay.Field{Name: name, Value: value})
			}
		}
		answer, err := client.Do(r.Context(), &out)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer answer.Close()
		for _, f := range answer.Fields() {
			w.Header()[f.Name] = []string{f.Value}
		}
		w.WriteHeader(answer.Status())
		if answer.Copy(w, nil) != nil {
			panic(http.ErrAbortHandler)
		}
	})
}

// catalogOf is the catalogue that an order is for.
func catalogOf(o order) (*manifest.Catalog, error) {
	if o.Routes == 0 {
		return benchCatalog(o.Upstream)
	}
	return routesCatalog(o.Upstream, o.Routes)
}

// routesInAPI is how many operations an API of routesCatalog has at most. test/bench
// knows it and the form of the paths.
const routesInAPI = 100

// routesCatalog has that many operations, each with a parameter in its path.
func routesCatalog(upstream string, routes int) (*manifest.Catalog, error) {
	files := fstest.MapFS{"products.yaml": {Data: []byte("- name: " + benchProduct + "\n  title: Bench\n")}}
	for first := 0; first < routes; first += routesInAPI {
		n := first / routesInAPI
		folder := fmt.Sprintf("bench%d-v1", n)
		files[filepath.Join(folder, "manifest.yaml")] = &fstest.MapFile{Data: fmt.Appendf(nil,
			"title: Bench %d\nsummary: Bench\nbase_path: /bench%d/v1\nproducts: [%s]\nopenapi: openapi.yaml\nupstreams:\n  production: {url: %s}\n"+
				"request: {rate: {per_second: 1000000}}\n", n, n, benchProduct, upstream)}
		var doc strings.Builder
		fmt.Fprintf(&doc, "openapi: 3.1.0\ninfo: {title: Bench %d, version: v1}\npaths:\n", n)
		for route := first; route < min(routes, first+routesInAPI); route++ {
			fmt.Fprintf(&doc, "  /route%d/{id}:\n    get:\n      operationId: route%d\n      parameters: [{name: id, in: path, required: true, schema: {type: string}}]\n"+
				"      responses: {'200': {description: ok, content: {application/json: {example: {a: 1}}}}}\n", route, route)
		}
		files[filepath.Join(folder, "openapi.yaml")] = &fstest.MapFile{Data: []byte(doc.String())}
	}
	return manifest.Load(files, manifest.Options{})
}

func TestTheCatalogueOfManyRoutesHasThemAll(t *testing.T) {
	for routes, apis := range map[int]int{10: 1, 250: 3} {
		catalog, err := catalogOf(order{Upstream: "http://127.0.0.1:1", Routes: routes})
		if err != nil {
			t.Fatal(err)
		}
		operations := 0
		for _, api := range catalog.APIs {
			operations += len(api.Document.Operations)
		}
		if len(catalog.APIs) != apis || operations != routes {
			t.Errorf("%d routes wanted: %d operations in %d APIs", routes, operations, len(catalog.APIs))
		}
	}
}
