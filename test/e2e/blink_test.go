package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
)

// TestNoChangeIsFelt changes what can be changed, under load: no request fails, and
// a WebSocket that was open before stays open.
func TestNoChangeIsFelt(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.Copy(w, r.Body)
			return
		}
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(conn, buffer)
	}))
	t.Cleanup(upstream.Close)
	s := start(t)
	s.serveAPIs(upstream.URL)
	e := s.Environments["production"]
	m := s.operator()
	token := s.token(e)

	socket := s.dial(t, e)
	fmt.Fprintf(socket, "GET %s/socket HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", plainBase, token)
	frames := bufio.NewReader(socket)
	if res, err := http.ReadResponse(frames, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %v, %v", res, err)
	}

	var made, failed atomic.Int64
	stop := make(chan struct{})
	var load sync.WaitGroup
	loop := func(once func() (status int, what string)) {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				made.Add(1)
				if status, what := once(); status != http.StatusOK && failed.Add(1) < 10 {
					t.Errorf("%s: %d", what, status)
				}
			}
		})
	}
	for range 4 {
		loop(func() (int, string) {
			a := s.call(apiCall{Method: "POST", URL: e.URL + plainBase + "/x", Body: "body"}, token, nil)
			return a.status, "a call: " + string(a.body)
		})
	}
	loop(func() (int, string) {
		a := s.grant(e, e.URL+"/oauth2/token")
		return a.status, "a token: " + string(a.body)
	})
	loop(func() (int, string) {
		fresh := s.grant(e, e.URL+"/oauth2/token")
		text, _ := fresh.json(t)["access_token"].(string)
		a := s.call(apiCall{Method: "POST", URL: e.URL + plainBase + "/x"}, text, nil)
		return a.status, "a call with a token that is new: " + string(a.body)
	})
	enough := func(more int64) {
		from := made.Load()
		eventually(t, "requests go on", func() bool { return made.Load() >= from+more })
	}

	app := s.app(m, e.ClientID)
	enough(20)
	for i := range 8 {
		s.applyAlso(map[string]string{
			"plain/manifest.yaml": fmt.Sprintf(plainManifest, plainBase, upstream.URL, upstream.URL), "plain/openapi.yaml": plainDocument,
			fmt.Sprintf("more%d/manifest.yaml", i): fmt.Sprintf("title: More\nbase_path: /more%d\nproducts: [MN_Product_Eligibility_v3]\n", i),
		})
		enough(20)
	}
	for _, algorithm := range []string{"ES256", "EdDSA", "RS256"} {
		key, err := m.RotateKey(t.Context(), api.KeyRotation{Environment: "production", Algorithm: algorithm})
		if err != nil {
			t.Fatal(err)
		}
		enough(20)
		if _, err := m.RevokeKey(t.Context(), key.KID); err != nil { // it has not signed yet: the rotation is called off
			t.Fatal(err)
		}
		enough(20)
	}
	other, err := m.CreateOrganization(t.Context(), api.NewOrganization{Name: "Somebody Else"})
	if err != nil {
		t.Fatal(err)
	}
	suspended := "suspended"
	if _, err := m.UpdateOrganization(t.Context(), other.ID, api.OrganizationPatch{State: &suspended}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.CreateCredential(t.Context(), app.ID, api.NewCredential{Label: "one more"}); err != nil {
		t.Fatal(err)
	}
	enough(20)
	close(stop)
	load.Wait()
	t.Logf("%d requests, %d failed", made.Load(), failed.Load())

	if err := socket.SetDeadline(time.Now().Add(30 * time.Second)); err != nil { // dial's may have passed meanwhile
		t.Fatal(err)
	}
	fmt.Fprint(socket, "still here\n")
	if line, err := frames.ReadString('\n'); err != nil || !strings.Contains(line, "still here") {
		t.Errorf("the WebSocket did not stay open: %q, %v", line, err)
	}
}
