package e2e_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// echoService is a service of gRPC, as it is on the wire: each message of a stream
// comes back once it is there, and the status in the trailers.
func echoService(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 2 || r.Header.Get("Te") != "trailers" || r.Header.Get("Grpc-Timeout") != "7S" || r.Header.Get("X-Sallyport-Client-Id") == "" {
		http.Error(w, fmt.Sprint(r.Proto, r.Header), http.StatusTeapot)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/grpc")
	h.Set("Trailer", "Grpc-Status, Grpc-Message")
	if strings.HasSuffix(r.URL.Path, "/Refused") {
		h.Del("Trailer")
		h.Set("Grpc-Status", "9") // trailers only
		return
	}
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	for {
		message, err := receive(r.Body)
		if err != nil {
			break
		}
		_ = send(w, "echo "+message)
		_ = http.NewResponseController(w).Flush()
	}
	h.Set("Grpc-Status", "0")
	h.Set("Grpc-Message", "done")
}

func send(w io.Writer, message string) error {
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	_, err := w.Write(append(frame, message...))
	return err
}

func receive(r io.Reader) (string, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	message := make([]byte, binary.BigEndian.Uint32(head[1:]))
	_, err := io.ReadFull(r, message)
	return string(message), err
}

// inTheClear is an upstream that speaks HTTP/2 by prior knowledge alone.
func inTheClear(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	up := httptest.NewUnstartedServer(handler)
	up.Config.Protocols = &http.Protocols{}
	up.Config.Protocols.SetUnencryptedHTTP2(true)
	up.Start()
	t.Cleanup(up.Close)
	return up
}

const echoBase = "/sallyport.test.Echo"

func (s *site) serveEcho(upstream string) {
	s.t.Helper()
	s.serveFiles(map[string]string{"echo/manifest.yaml": "title: Echo\nbase_path: " + echoBase + "\nproducts: [MN_Product_Eligibility_v3]\n" +
		"upstreams:\n  production: {targets: [{url: " + upstream + "}], http: h2c}\n"}, echoBase)
}

// rpc begins a call of gRPC.
func (s *site) rpc(e *environment, method, token string, body io.Reader) *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, e.URL+echoBase+"/"+method, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, value := range map[string]string{"Content-Type": "application/grpc+proto", "Te": "trailers", "Grpc-Timeout": "7S", "Authorization": "Bearer " + token} {
		r.Header.Set(name, value)
	}
	res, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { res.Body.Close() })
	return res
}

func TestGRPCGoesThroughBothWaysAtOnce(t *testing.T) {
	up := inTheClear(t, echoService)
	s := start(t)
	s.serveEcho(up.URL)
	e := s.Environments["production"]
	token := s.token(e)

	body, feed := io.Pipe()
	res := s.rpc(e, "Talk", token, body) // its header comes before any message
	if res.StatusCode != 200 || res.ProtoMajor != 2 || res.Header.Get("Content-Type") != "application/grpc" {
		t.Fatalf("%s %v", res.Status, res.Header)
	}
	for i := range 3 {
		if err := send(feed, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		if got, err := receive(res.Body); err != nil || got != fmt.Sprint("echo ", i) {
			t.Fatalf("%q, %v", got, err)
		}
	}
	feed.Close()
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	if res.Trailer.Get("Grpc-Status") != "0" || res.Trailer.Get("Grpc-Message") != "done" {
		t.Errorf("trailers %v", res.Trailer)
	}

	res = s.rpc(e, "Refused", token, strings.NewReader(""))
	if rest, err := io.ReadAll(res.Body); res.StatusCode != 200 || res.Header.Get("Grpc-Status") != "9" || len(rest) > 0 || err != nil {
		t.Errorf("%s %v, body %q, %v", res.Status, res.Header, rest, err)
	}
}

func TestGRPCIsRefusedInItsOwnWords(t *testing.T) {
	up := inTheClear(t, echoService)
	s := start(t)
	s.serveEcho(up.URL)
	e := s.Environments["production"]
	token := s.token(e)
	address := strings.TrimPrefix(up.URL, "http://")
	refused := func(what, token, code, message string) {
		t.Helper()
		res := s.rpc(e, "Talk", token, strings.NewReader(""))
		body, err := io.ReadAll(res.Body)
		said, _ := url.PathUnescape(res.Header.Get("Grpc-Message"))
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/grpc" || res.Header.Get("Grpc-Status") != code || !strings.HasPrefix(said, message+": ") || len(body) > 0 || err != nil {
			t.Errorf("%s: %s %v, body %q, %v", what, res.Status, res.Header, body, err)
		}
		if strings.Contains(said, address) {
			t.Errorf("%s: the caller is told of an address: %s", what, said)
		}
	}
	refused("a bad token", "none", "16", "invalid_access_token")
	up.Close()
	refused("an upstream that is away", token, "14", "bad_gateway")

	// Who does not speak gRPC gets what the contract says.
	if got := s.do("POST", e.URL+echoBase+"/Talk", map[string]string{"Content-Type": "application/grpc-web"}, ""); got.status != 401 || got.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v", got.status, got.header)
	}
}
