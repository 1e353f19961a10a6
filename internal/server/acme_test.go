package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// authority is Pebble, an ACME server made for tests, with a DNS server that finds
// every name on this machine.
type authority struct {
	directory string
	ca        string // file with the authority by which the directory is judged
	roots     *x509.CertPool
}

// freePort is a port that nobody listens at, at this moment.
func freePort(t *testing.T) int {
	t.Helper()
	var lc net.ListenConfig
	socket, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer socket.Close()
	return socket.Addr().(*net.TCPAddr).Port
}

// program runs a program of bin until the test ends.
func program(t *testing.T, name string, args ...string) {
	t.Helper()
	file := filepath.Join("..", "..", "bin", name)
	if _, err := os.Stat(file); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not there: scripts/test-setup builds it", file)
		}
		t.Skipf("%s is not there: scripts/test-setup builds it", file)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, file, args...)
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	must(t, cmd.Start())
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
}

// newAuthority starts an authority that asks listeners at tlsPort.
func newAuthority(t *testing.T, tlsPort int) *authority {
	t.Helper()
	files := newCertificates(t)
	cert, key, _ := files.make()
	files.write(files.cert, cert)
	files.write(files.key, key)
	acme, management, dns := freePort(t), freePort(t), freePort(t)
	text, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": "127.0.0.1:" + strconv.Itoa(acme), "managementListenAddress": "127.0.0.1:" + strconv.Itoa(management),
		"certificate": files.cert, "privateKey": files.key, "httpPort": freePort(t), "tlsPort": tlsPort,
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "for tests", "validityPeriod": 86400}},
	}})
	must(t, err)
	settings := filepath.Join(t.TempDir(), "pebble.json")
	must(t, os.WriteFile(settings, text, 0o600))
	program(t, "pebble-challtestsrv", "-dnsserver", "127.0.0.1:"+strconv.Itoa(dns), "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
		"-defaultIPv6", "", "-management", "127.0.0.1:"+strconv.Itoa(freePort(t)))
	program(t, "pebble", "-config", settings, "-dnsserver", "127.0.0.1:"+strconv.Itoa(dns))
	a := &authority{directory: fmt.Sprintf("https://127.0.0.1:%d/dir", acme), ca: files.ca.File, roots: x509.NewCertPool()}
	client := files.client()
	until(t, "the authority is up", 30*time.Second, func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/roots/0", management), nil)
		must(t, err)
		res, err := client.Do(r)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		pem, err := io.ReadAll(res.Body)
		return err == nil && a.roots.AppendCertsFromPEM(pem)
	})
	return a
}

func TestACertificateIsGotByACME(t *testing.T) {
	const name = "gateway.marketplace.test"
	port := freePort(t)
	a := newAuthority(t, port)
	dir := t.TempDir()
	configure := func() *config.Config {
		c := settings(t, dir, "")
		c.ACME = config.ACME{Directory: a.directory, Agree: true, CA: a.ca, Email: "ops@example.com"}
		p := c.Environments[market.Production]
		p.Listen, p.Hosts, p.TLS = "127.0.0.1:"+strconv.Itoa(port), []string{name}, config.TLS{ACME: true}
		c.Metrics = config.Listener{Listen: "127.0.0.1:0", Plain: true}
		must(t, c.Complete())
		return c
	}
	// show returns the certificate that a client which knows the authority alone is
	// shown, nil if it does not believe it.
	show := func() *x509.Certificate {
		dialer := &tls.Dialer{Config: &tls.Config{RootCAs: a.roots, ServerName: name}}
		conn, err := dialer.DialContext(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			return nil
		}
		defer conn.Close()
		return conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
	}
	n := run(t, configure())
	var first *x509.Certificate
	until(t, "a certificate of the authority is shown", time.Minute, func() bool { first = show(); return first != nil })
	const expiry = `sallyport_certificate_expiry_timestamp_seconds{listener="production"}`
	until(t, "its end is told", 10*time.Second, func() bool {
		told, there := n.value(expiry)
		return there && int64(told) == first.NotAfter.Unix()
	})
	n.want(`sallyport_acme_certificates_total{listener="production",result="got"}`, 1)
	n.stop()

	n = run(t, configure())
	defer n.stop()
	until(t, "it is shown again", 30*time.Second, func() bool { return show() != nil })
	if again := show(); again.SerialNumber.Cmp(first.SerialNumber) != 0 {
		t.Error("a restart asked for another certificate: authorities count them")
	}
}
