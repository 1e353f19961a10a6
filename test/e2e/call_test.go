package e2e_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
)

// problemMembers is what every refusal of the gateway has (CONTRACT 4.2).
var problemMembers = []string{"type", "title", "status", "detail", "instance", "error", "error_description", "traceId"}

func TestTheDemoCallsWork(t *testing.T) {
	s := start(t)
	for name, e := range s.Environments {
		token := s.token(e)
		if len(e.Calls) != 3 {
			t.Fatalf("%s has %d demo calls, want one per API", name, len(e.Calls))
		}
		for _, c := range e.Calls {
			a := s.call(c, token, nil)
			if a.status != 200 {
				t.Errorf("%s %s: %d %s", name, c.API, a.status, a.body)
			}
			if got := a.header.Get("X-Sallyport-Source"); got != "live" {
				t.Errorf("%s %s: source %q, want live", name, c.API, got)
			}
			mode := map[string]any{}
			if meta, ok := a.json(t)["meta"].(map[string]any); ok {
				mode = meta
			}
			if mode["applicationMode"] != name {
				t.Errorf("%s %s: the upstream says it is %v", name, c.API, mode["applicationMode"])
			}
		}
	}
}

func TestMockOrLive(t *testing.T) {
	s := start(t)
	sandbox, production := s.Environments["sandbox"], s.Environments["production"]
	newcomer := &environment{URL: sandbox.URL, ClientID: sandbox.Newcomer.ClientID, ClientSecret: sandbox.Newcomer.ClientSecret}
	token, newToken, prodToken := s.token(sandbox), s.token(newcomer), s.token(production)
	call, prodCall := sandbox.api(t, "eligibility"), production.api(t, "eligibility")
	withoutTIN := func(c apiCall) apiCall {
		c.Body = regexp.MustCompile(`,?\s*"taxId"\s*:\s*"\d+"`).ReplaceAllString(c.Body, "")
		return c
	}
	tests := []struct {
		name   string
		call   apiCall
		token  string
		header map[string]string
		status int
		source string
		code   string
	}{
		{"5.1 the header environment: sandbox means mock data", call, token, map[string]string{"environment": "sandbox"}, 200, "mock; reason=header", ""},
		{"5.1 the header in another case", call, token, map[string]string{"Environment": "SANDBOX"}, 200, "mock; reason=header", ""},
		{"5.1 subscribed and the TIN associated means live", call, token, nil, 200, "live", ""},
		{"5.1 not subscribed means mock data", call, newToken, nil, 200, "mock; reason=not-subscribed", ""},
		{"5.1 a TIN that is not associated is refused", withoutTIN(call), token, map[string]string{"providerTaxId": "999999999"}, 403, "", "access_denied"},
		{"5.1 the header comes before the TIN", withoutTIN(call), token, map[string]string{"providerTaxId": "999999999", "environment": "sandbox"}, 200, "mock; reason=header", ""},
		{"5.2 a TIN that is not nine digits", withoutTIN(call), token, map[string]string{"providerTaxId": "12-3456789"}, 400, "", "invalid_request"},
		{"5.2 header and body disagree", call, token, map[string]string{"providerTaxId": "111111111"}, 400, "", "invalid_request"},
		{"5.5 production ignores the header", prodCall, prodToken, map[string]string{"environment": "sandbox"}, 200, "live", ""},
		{"4.2 production refuses a TIN that is not yours", withoutTIN(prodCall), prodToken, map[string]string{"providerTaxId": "999999999"}, 403, "", "access_denied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := s.call(tt.call, tt.token, tt.header)
			if a.status != tt.status {
				t.Fatalf("status %d %s, want %d", a.status, a.body, tt.status)
			}
			if got := a.header.Get("X-Sallyport-Source"); got != tt.source {
				t.Errorf("5.4: source %q, want %q", got, tt.source)
			}
			if tt.code != "" && a.json(t)["error"] != tt.code {
				t.Errorf("error %v, want %s", a.json(t)["error"], tt.code)
			}
		})
	}
}

func TestSubmitters(t *testing.T) {
	s := start(t)
	e := s.Environments["production"]
	token := s.token(e)
	c := e.api(t, "pharmacy")
	inBody := fmt.Sprintf(`{"headers":[{"name":"submitterID","value":%q},{"name":"hostSubmitterID","value":%q}],"messageData":"REVNTw=="}`, "SUB0000001", "HOST000001")
	bare := `{"messageData":"REVNTw=="}`
	none := map[string]string{"submitterID": "", "hostSubmitterID": ""}
	tests := []struct {
		name   string
		header map[string]string
		body   string
		status int
		code   string
	}{
		{"4.6 as pairs in the body", none, inBody, 200, ""},
		{"4.6 as headers", map[string]string{"submitterID": "SUB0000001", "hostSubmitterID": "HOST000001"}, "", 200, ""},
		{"4.6 missing", none, bare, 400, "invalid_request"},
		{"4.6 the host's is missing where the account has one", map[string]string{"submitterID": "SUB0000001", "hostSubmitterID": ""}, bare, 400, "invalid_request"},
		{"4.6 another's", map[string]string{"submitterID": "SUB9999999", "hostSubmitterID": "HOST000001"}, bare, 403, "access_denied"},
		{"4.6 another's host", map[string]string{"submitterID": "SUB0000001", "hostSubmitterID": "HOST999999"}, bare, 403, "access_denied"},
		{"4.6 header and body disagree", map[string]string{"submitterID": "SUB9999999"}, inBody, 400, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := c
			if tt.body != "" {
				c.Body = tt.body
			} else {
				c.Body = inBody
			}
			a := s.call(c, token, tt.header)
			if a.status != tt.status {
				t.Fatalf("got %d %s, want %d", a.status, a.body, tt.status)
			}
			if tt.code != "" && a.json(t)["error"] != tt.code {
				t.Errorf("error %v, want %s", a.json(t)["error"], tt.code)
			}
		})
	}
}

func TestCallRefusals(t *testing.T) {
	s := start(t)
	e, other := s.Environments["sandbox"], s.Environments["production"]
	token := s.token(e)
	call := e.api(t, "eligibility")
	at := func(path string) apiCall {
		c := call
		c.URL = e.URL + path
		return c
	}
	bearer := func(text string) map[string]string { return map[string]string{"Authorization": text} }
	body := func(text string) apiCall {
		c := call
		c.Body = text
		return c
	}
	tests := []struct {
		name      string
		call      apiCall
		token     string
		header    map[string]string
		status    int
		code      string
		challenge string
	}{
		{"no token", call, "", nil, 401, "invalid_request", `Bearer realm="sandbox"`},
		{"another scheme", call, "", bearer("Basic eDp5"), 401, "invalid_request", `Bearer realm="sandbox"`},
		{"rubbish", call, "rubbish", nil, 401, "invalid_access_token", `error="invalid_token"`},
		{"a changed signature", call, token[:len(token)-8] + "AAAAAAAA", nil, 401, "invalid_access_token", `error="invalid_token"`},
		{"the other environment's token", call, s.token(other), nil, 401, "invalid_access_token", `error="invalid_token"`},
		{"a token in the URL is ignored", at("/medicalnetwork/eligibility/v3/?access_token=" + token), "", nil, 401, "invalid_request", `Bearer realm="sandbox"`},
		{"no such route", at("/medicalnetwork/nothing/v1/"), token, nil, 404, "not_found", ""},
		{"no such operation", at("/medicalnetwork/eligibility/v3/nothing"), token, nil, 404, "not_found", ""},
		{"an escaped slash", at("/medicalnetwork%2feligibility/v3/"), token, nil, 400, "invalid_request", ""},
		{"a dot segment", at("/medicalnetwork/x/../eligibility/v3/"), token, nil, 400, "invalid_request", ""},
		{"an escaped dot segment", at("/medicalnetwork/%2e%2e/medicalnetwork/eligibility/v3/"), token, nil, 400, "invalid_request", ""},
		{"an empty segment", at("//medicalnetwork/eligibility/v3/"), token, nil, 400, "invalid_request", ""},
		{"a backslash", at("/medicalnetwork%5celigibility/v3/"), token, nil, 400, "invalid_request", ""},
		{"a semicolon in the query", at("/medicalnetwork/eligibility/v3/?a=1;b=2"), token, nil, 400, "invalid_request", ""},
		{"a body that does not match", body(`{"controlNumber":"x"}`), token, nil, 400, "invalid_request", ""},
		{"a body that is not JSON", body(`{`), token, nil, 400, "invalid_request", ""},
		{"a repeated member", body(`{"controlNumber":"123456789","controlNumber":"123456789"}`), token, nil, 400, "invalid_request", ""},
		{"no body", body(``), token, nil, 400, "invalid_request", ""},
		{"a body too large", body(`{"controlNumber":"` + strings.Repeat("1", 2<<20) + `"}`), token, nil, 413, "request_too_large", ""},
		{"another media type", call, token, map[string]string{"Content-Type": "text/xml"}, 415, "unsupported_media_type", ""},
	}
	for _, tt := range tests {
		t.Run("4.2 "+tt.name, func(t *testing.T) {
			a := s.call(tt.call, tt.token, tt.header)
			got := a.json(t)
			if a.status != tt.status || got["error"] != tt.code {
				t.Fatalf("got %d %s, want %d %s", a.status, a.body, tt.status, tt.code)
			}
			for _, member := range problemMembers {
				if _, there := got[member]; !there {
					t.Errorf("the body lacks %s", member)
				}
			}
			if challenge := a.header.Get("WWW-Authenticate"); !strings.Contains(challenge, tt.challenge) || (challenge == "") != (tt.challenge == "") {
				t.Errorf("WWW-Authenticate is %q", challenge)
			} else if tt.status == 401 && tt.code == "invalid_request" && strings.Contains(challenge, "error=") {
				t.Errorf("RFC 6750 §3.1: a challenge without a token has an error: %q", challenge)
			}
			if trace := a.header.Get("X-Trace-Id"); trace == "" || got["traceId"] != trace {
				t.Errorf("4.7: trace header %q, body %v", trace, got["traceId"])
			}
			if strings.Contains(string(a.body), token[40:]) {
				t.Error("the answer echoes the token")
			}
		})
	}
	t.Run("4.2 the field that does not match is named", func(t *testing.T) {
		c := body(strings.Replace(call.Body, `"controlNumber"`, `"controlNumbr"`, 1))
		if got := s.call(c, token, nil).json(t); got["field"] != "/controlNumber" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("4.1 the scheme in any case", func(t *testing.T) {
		for _, scheme := range []string{"bearer", "BEARER"} {
			if a := s.call(call, "", bearer(scheme+" "+token)); a.status != 200 {
				t.Errorf("%s: %d %s", scheme, a.status, a.body)
			}
		}
	})
	t.Run("another method is 405 with Allow", func(t *testing.T) {
		c := call
		c.Method, c.Body = "DELETE", ""
		if a := s.call(c, token, nil); a.status != 405 || a.header.Get("Allow") != "POST" {
			t.Errorf("got %d, Allow %q", a.status, a.header.Get("Allow"))
		}
	})
	t.Run("4.8 health checks are behind the token", func(t *testing.T) {
		c := apiCall{Method: "GET", URL: e.URL + "/medicalnetwork/eligibility/v3/healthcheck"}
		if a := s.call(c, "", nil); a.status != 401 {
			t.Errorf("without a token: %d", a.status)
		}
		if a := s.call(c, token, nil); a.status != 200 || a.json(t)["status"] != "OK" {
			t.Errorf("with a token: %d %s", a.status, a.body)
		}
	})
	t.Run("4.7 the caller's trace id comes back", func(t *testing.T) {
		for _, name := range []string{"x-chng-trace-id", "x-optum-trace-id", "x-optum-correlation-id", "x-optum-consumer-correlation-id", "X-CHC-TraceId", "X-CHC-CorrelationId"} {
			if got := s.call(call, token, map[string]string{name: "caller-7"}).header.Get("X-Trace-Id"); got != "caller-7" {
				t.Errorf("%s: %q", name, got)
			}
		}
		parent := "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		if got := s.call(call, token, map[string]string{"traceparent": parent}).header.Get("X-Trace-Id"); got != "4bf92f3577b34da6a3ce929d0e0e4736" {
			t.Errorf("traceparent: %q", got)
		}
	})
}

// Two Authorization headers are refused, not resolved: a proxy before us might
// have looked at the other one.
func TestTwoAuthorizationHeadersAreRefused(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	token := s.token(e)
	raw := s.raw(e, "GET /medicalnetwork/eligibility/v3/healthcheck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+
		"Authorization: Bearer "+token+"\r\nAuthorization: Bearer x\r\n\r\n")
	if !strings.HasPrefix(raw, "HTTP/1.1 400 ") || !strings.Contains(raw, `"error":"invalid_request"`) {
		t.Errorf("4.1: got %s", raw)
	}
}

func TestTLSBelow12IsRefused(t *testing.T) {
	s := start(t)
	for name, target := range map[string]string{
		"sandbox": s.Environments["sandbox"].URL, "production": s.Environments["production"].URL, "management": s.Operator.URL, "portal": s.Portal,
	} {
		u, _ := url.Parse(target)
		for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
			conn, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: s.roots(), MinVersion: version, MaxVersion: version})
			if (err == nil) != want {
				t.Errorf("1.3 %s, %s: %v", name, tls.VersionName(version), err)
			}
			if err == nil {
				conn.Close()
			}
		}
	}
}

// raw sends bytes as they are, and returns what comes back.
func (s *site) raw(e *environment, text string) string {
	s.t.Helper()
	u, err := url.Parse(e.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: s.roots(), NextProtos: []string{"http/1.1"}})
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		s.t.Fatal(err)
	}
	answer, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(answer)
}

func (s *site) roots() *x509.CertPool {
	s.t.Helper()
	pem, err := os.ReadFile(s.CA)
	if err != nil {
		s.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return roots
}
