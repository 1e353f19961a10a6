package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/localca"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// certificates writes certificates of one authority to two files.
type certificates struct {
	t         *testing.T
	ca        *localca.Authority
	cert, key string
}

func newCertificates(t *testing.T) *certificates {
	t.Helper()
	dir := t.TempDir()
	ca, err := localca.Open(dir, time.Now)
	must(t, err)
	return &certificates{t: t, ca: ca, cert: filepath.Join(dir, "server.pem"), key: filepath.Join(dir, "server.key")}
}

// make makes a certificate and its key, in PEM.
func (c *certificates) make() (cert, key []byte, serial *big.Int) {
	c.t.Helper()
	pair, err := c.ca.Issue([]string{"127.0.0.1"})
	must(c.t, err)
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	must(c.t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), pair.Leaf.SerialNumber
}

func (c *certificates) write(file string, data []byte) {
	c.t.Helper()
	must(c.t, os.WriteFile(file+".new", data, 0o600))
	must(c.t, os.Rename(file+".new", file))
}

func (c *certificates) client() *http.Client {
	c.t.Helper()
	pool := x509.NewCertPool()
	text, err := os.ReadFile(c.ca.File)
	must(c.t, err)
	pool.AppendCertsFromPEM(text)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

// journal is a log that is read while it is written.
type journal struct {
	mu  sync.Mutex
	all strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.String()
}

func TestARenewedCertificateIsTakenUpAndNoRequestFails(t *testing.T) {
	files := newCertificates(t)
	cert, key, first := files.make()
	files.write(files.cert, cert)
	files.write(files.key, key)
	c := settings(t, t.TempDir(), "")
	c.Environments[market.Production].TLS = config.TLS{Certificate: files.cert, Key: files.key}
	log := &journal{}
	n := runWith(t, server.Options{Config: c, Now: time.Now, Logger: slog.New(slog.NewTextHandler(log, nil)), Pace: server.Pace{Certificates: 10 * time.Millisecond}})
	url := n.production().URL + "/.well-known/jwks.json"

	// One client keeps its connection, another makes a new one for each request.
	var failed, made atomic.Int64
	var newest atomic.Pointer[big.Int]
	stop := make(chan struct{})
	var load sync.WaitGroup
	for _, keep := range []bool{true, false} {
		client := files.client()
		client.Transport.(*http.Transport).DisableKeepAlives = !keep
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				res, err := client.Get(url)
				if err != nil || res.StatusCode != http.StatusOK {
					failed.Add(1)
					t.Logf("failed: %v", err)
					continue
				}
				_ = res.Body.Close()
				made.Add(1)
				if !keep {
					newest.Store(res.TLS.PeerCertificates[0].SerialNumber)
				}
			}
		})
	}
	shows := func(serial *big.Int) func() bool {
		return func() bool { now := newest.Load(); return now != nil && now.Cmp(serial) == 0 }
	}
	soon(t, "the first certificate is shown", shows(first))

	cert, key, second := files.make()
	files.write(files.cert, cert) // with the key of the first: of no use yet
	soon(t, "the halves are found not to fit", func() bool { return strings.Contains(log.String(), "cannot take up a renewed certificate") })
	if !shows(first)() {
		t.Error("the first certificate is not shown any more, and the second has no key")
	}
	files.write(files.key, key)
	soon(t, "the second certificate is shown", shows(second))

	must(t, os.Remove(files.cert))
	before := made.Load()
	soon(t, "requests go on without the file", func() bool { return made.Load() > before+20 })
	close(stop)
	load.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d requests failed, of %d", n, made.Load())
	}
}

func TestTheLocalAuthoritysCertificatesAreRenewedByThemselves(t *testing.T) {
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	c := settings(t, t.TempDir(), "")
	n := runWith(t, server.Options{Config: c, Now: now, Pace: server.Pace{Certificates: 10 * time.Millisecond}})
	serial := func() *big.Int {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(n.production().URL, "https://"), &tls.Config{InsecureSkipVerify: true})
		must(t, err)
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber
	}
	first := serial()
	soon(t, "the same certificate is shown again", func() bool { return serial().Cmp(first) == 0 })
	ahead.Store(int64(300 * 24 * time.Hour))
	soon(t, "another one is shown", func() bool { return serial().Cmp(first) != 0 })
}
