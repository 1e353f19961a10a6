package server_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// A load balancer is told first, then the listeners close, then what is under way
// is finished; runWith fails the test if the end is not clean.
func TestANodeThatIsToldToStopFailsNoCall(t *testing.T) {
	t.Parallel()
	began, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		first := false
		once.Do(func() { first = true })
		if first {
			close(began)
			<-release
		}
	}))
	t.Cleanup(upstream.Close)
	c := settings(t, t.TempDir(), "")
	c.Shutdown.Announce = config.Duration(3 * time.Second)
	n := run(t, c)
	must(t, n.ApplyCatalog(t.Context(), market.System, catalogue(upstream.URL)))
	_, app, text := customer(t, n.Market)
	var token string
	soon(t, "the secret works", func() bool {
		var status int
		status, token = n.token(app.ClientID, text)
		return status == http.StatusOK
	})
	health := func() int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.Info().Management+"/healthz", http.NoBody)
		must(t, err)
		status, _ := n.do(r)
		return status
	}
	if status := health(); status != http.StatusOK {
		t.Fatalf("healthy is %d", status)
	}
	slow := make(chan int, 1)
	go func() {
		status, _ := n.call(token)
		slow <- status
	}()
	<-began
	stopped := make(chan struct{})
	go func() { n.stop(); close(stopped) }()
	soon(t, "health says that the node will close", func() bool { return health() == http.StatusServiceUnavailable })
	if status, _ := n.call(token); status != http.StatusOK {
		t.Errorf("a call after that gets %d", status)
	}
	u, err := url.Parse(n.production().URL)
	must(t, err)
	until(t, "no new connection is taken", 20*time.Second, func() bool {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", u.Host)
		if err == nil {
			conn.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	close(release)
	if status := <-slow; status != http.StatusOK {
		t.Errorf("the call under way got %d", status)
	}
	<-stopped
}
