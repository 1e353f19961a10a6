package authserver

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/httpx"
)

// reads runs the parser as the endpoint does, and holds every outcome to what
// may come out: a request, or a refusal in words of our own.
func reads(t *testing.T, contentType string, body []byte, authorization, query string) (*request, error) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/apip/auth/v2/token", bytes.NewReader(body))
	r.URL.RawQuery = query
	if contentType != "" {
		r.Header["Content-Type"] = []string{contentType}
	}
	if authorization != "" {
		r.Header["Authorization"] = []string{authorization}
	}
	q, err := read(httptest.NewRecorder(), r, Endpoint{Dialect: V2, JSON: true})
	if err == nil {
		_, _, err = q.credentials()
	}
	var ref *refusal
	if err != nil && !errors.As(err, &ref) && !errors.Is(err, httpx.ErrTooLarge) {
		t.Fatalf("an error that is no refusal: %v", err)
	}
	if ref != nil && (ref.status < 400 || ref.status >= 500 || !describes(ref.say)) {
		t.Fatalf("a refusal that cannot be answered: %d %q", ref.status, ref.say)
	}
	return q, err
}

// describes reports whether a text may be an error_description (RFC 6749 §5.2).
func describes(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c > 0x7e || c == '"' || c == '\\' })
}

// FuzzForm holds that what the form reader takes, net/url takes too and reads
// alike, and that nothing is in it twice.
func FuzzForm(f *testing.F) {
	for _, s := range []string{
		"grant_type=client_credentials&client_id=a&client_secret=b", "a=1&a=2", "&&=&", "%", "scope=%20a+b", "client_id=%ff",
		"client_id=a;client_secret=b", strings.Repeat("a=b&", 100), "grant_type", "client_secret=\x00", "\xff=\xfe",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := reads(t, "application/x-www-form-urlencoded", body, "", "")
		if err != nil || q == nil {
			return
		}
		if strings.ContainsRune(string(body), ';') {
			return // net/url refuses it anywhere; to us it is a character like any other
		}
		values, err := url.ParseQuery(string(body))
		if err != nil {
			t.Fatalf("took %q, which net/url does not: %v", body, err)
		}
		for name, got := range map[string]string{
			"grant_type": q.grantType, "client_id": q.clientID, "client_secret": q.clientSecret.Reveal(), "scope": q.scope,
		} {
			if len(values[name]) > 1 || values.Get(name) != got {
				t.Fatalf("%s: read %q, net/url reads %q", name, got, values[name])
			}
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"client_id":"a","client_secret":"b","grant_type":"client_credentials"}`, `{}`, `null`, `[]`, `{"scope":1}`, `{"scope":null}`,
		`{"a":1,"a":2}`, `{"client_id":"\u0000"}`, `{"client_id":"\ud800"}`, strings.Repeat(`{"a":`, 100), "\xef\xbb\xbf{}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if q, err := reads(t, "application/json;charset=UTF-8", body, "", ""); err == nil && !printable(q.clientID+q.scope+q.grantType) {
			t.Fatalf("let a control character through: %q", body)
		}
	})
}

func FuzzBasic(f *testing.F) {
	for _, s := range []string{"Basic YTpi", "basic YTpi", "Basic", "Basic ", "Basic !", "Bearer x", "Basic JTAwOg==", "Basic YTpi, Basic YTpi", "Basic\tYTpi"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		q, err := reads(t, "application/x-www-form-urlencoded", []byte("grant_type=client_credentials"), header, "")
		if err != nil || q.basic == nil || q.basic.broken != "" {
			return
		}
		// What we read, written again as RFC 6749 §2.3.1 says, reads the same.
		again := parseBasic("Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(q.basic.id)+":"+url.QueryEscape(q.basic.secret.Reveal()))))
		if again.broken != "" || again.id != q.basic.id || !again.secret.Equal(q.basic.secret) {
			t.Fatalf("%q does not survive being written again", header)
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, s := range []string{"client_id=a", "CLIENT_SECRET=a", "client%5Fsecret=a", "x=1;client_secret=2", "%", "a=b&c=d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		err := refuseQuery(query)
		values, _ := url.ParseQuery(query)
		if err == nil && (values.Has("client_secret") || values.Has("client_id")) {
			t.Fatalf("credentials in %q passed", query)
		}
	})
}
