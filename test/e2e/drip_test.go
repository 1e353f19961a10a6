package e2e_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// drip is a body of n bytes, one at a time.
func drip(t *testing.T, n int) io.Reader {
	t.Helper()
	out, in := io.Pipe()
	t.Cleanup(func() { out.Close() })
	go func() {
		defer in.Close()
		for range n {
			if _, err := in.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	return out
}

// The attack: a body of which a byte comes now and then, so that it never stops. Each
// such call would hold a connection to the upstream for as long as the caller likes.
func TestABodyThatDripsEndsAndAConversationGoesOn(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Want") == "conversation" {
			_ = http.NewResponseController(w).EnableFullDuplex()
			w.WriteHeader(http.StatusAccepted)
			_ = http.NewResponseController(w).Flush()
		}
		if n, err := io.Copy(io.Discard, r.Body); err == nil {
			_, _ = io.WriteString(w, strings.Repeat("x", int(n)))
		}
	}))
	t.Cleanup(upstream.Close)
	s := start(t)
	e := s.Environments["production"]
	s.applyAlso(map[string]string{
		"slow/manifest.yaml": "title: Slow\nbase_path: /slow\nproducts: [MN_Product_Eligibility_v3]\nupstreams: {production: {url: \"" + upstream.URL + "\"}}\nrequest: {body_timeout: 1s}\n",
	})
	token := s.token(e)
	for version, client := range map[string]*http.Client{"HTTP/1.1": s.oneDotOne(), "HTTP/2": s.client} {
		send := func(want string, body io.Reader) (int, string) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL+"/slow/x", body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Want", want)
			res, err := client.Do(r)
			if err != nil {
				return 0, ""
			}
			defer res.Body.Close()
			got, _ := io.ReadAll(res.Body)
			return res.StatusCode, string(got)
		}
		if status, got := send("", drip(t, 3)); status != http.StatusOK || got != "xxx" {
			t.Errorf("%s: a body that is slow: %d %q", version, status, got)
		}
		if status, got := send("conversation", drip(t, 30)); status != http.StatusAccepted || len(got) != 30 {
			t.Errorf("%s: a conversation: %d, %d bytes", version, status, len(got))
		}
		status, got := send("", drip(t, 1<<20))
		if status != http.StatusBadRequest && status != 0 {
			t.Errorf("%s: a body that drips: %d %q", version, status, got)
		}
	}
}
