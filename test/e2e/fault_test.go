package e2e_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whoever runs the API asks why it does not answer, and has the trace id alone.
func TestARefusalTellsWhatTheUpstreamDid(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	untrusted.StartTLS()
	defer untrusted.Close()
	down := httptest.NewServer(nil)
	down.Close()
	hasty := listen(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
	other := listen(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1<<10))
		_, _ = c.Write([]byte("220 mail.example ESMTP\r\n\r\n"))
	})
	faults := []struct{ upstream, reason, next string }{
		{down.URL, "refused the connection", "start the API's own server"},
		{"http://nowhere.invalid", "cannot be resolved", "correct the url"},
		{strings.Replace(plain.URL, "http:", "https:", 1), "does not speak TLS", "http://"},
		{untrusted.URL, "authority that is not trusted", "upstream_tls"},
		{"http://" + hasty, "closed the connection", "own server"},
		{"http://" + other, "not HTTP", "lenient"},
	}
	s := start(t)
	var upstreams []string
	for _, fault := range faults {
		upstreams = append(upstreams, fault.upstream)
	}
	s.serveAPIs(upstreams...)
	e := s.Environments["sandbox"]
	token := s.token(e)
	for i, fault := range faults {
		base := plainBase
		if i > 0 {
			base += "-" + string(rune('0'+i))
		}
		a := s.do("GET", e.URL+base+"/x", map[string]string{"Authorization": "Bearer " + token}, "")
		if a.status != http.StatusBadGateway {
			t.Fatalf("%s: %d %s", fault.upstream, a.status, a.body)
		}
		why := s.why(a)
		if !strings.Contains(why.Reason, fault.reason) || !strings.Contains(why.Next, fault.next) {
			t.Errorf("%s: %q, next %q", fault.upstream, why.Reason, why.Next)
		}
		host := strings.TrimPrefix(strings.TrimPrefix(fault.upstream, "https://"), "http://")
		if strings.Contains(why.Reason+why.Next+string(a.body), host) {
			t.Errorf("%s: its address is told: %+v", fault.upstream, why)
		}
	}
}

// listen answers each connection by f, and closes it.
func listen(t *testing.T, f func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f(c)
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}
