package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

// roundTripper is a server without a network, for tests that hold the clock.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(r *http.Request, status int, header map[string]string, body string) *http.Response {
	rec := httptest.NewRecorder()
	for name, value := range header {
		rec.Header().Set(name, value)
	}
	rec.WriteHeader(status)
	rec.Body.WriteString(body)
	resp := rec.Result()
	resp.Request = r
	return resp
}

// TestEveryOperationHasAMethod calls every method and holds the requests that
// they send to the operations of the OpenAPI document.
func TestEveryOperationHasAMethod(t *testing.T) {
	var sent []string
	m := &client.Management{BaseURL: "https://manage.example.com", Token: client.NewSecret("spop_canary"), HTTP: &http.Client{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Authorization") != "Bearer spop_canary" {
				t.Errorf("%s: no token", r.URL)
			}
			sent = append(sent, r.Method+" "+r.URL.Path)
			return answer(r, http.StatusOK, nil, "{}"), nil
		}),
	}}
	value := reflect.ValueOf(m)
	for method := range value.Type().Methods() {
		args := []reflect.Value{value, reflect.ValueOf(t.Context())}
		for i := 2; i < method.Type.NumIn(); i++ {
			arg := reflect.New(method.Type.In(i)).Elem()
			if arg.Kind() == reflect.String {
				arg.SetString("value")
			}
			args = append(args, arg)
		}
		results := method.Func.Call(args)
		if err, ok := results[len(results)-1].Interface().(error); ok && err != nil {
			t.Errorf("%s: %v", method.Name, err)
		}
	}

	doc, err := openapi3.NewLoader().LoadFromData([]byte(api.OpenAPI()))
	if err != nil {
		t.Fatal(err)
	}
	parameter := regexp.MustCompile(`\{\w+\}`)
	var want []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			want = append(want, method+" "+parameter.ReplaceAllString(path, "value"))
		}
	}
	sort.Strings(want)
	sort.Strings(sent)
	if diff := cmp.Diff(want, slices.Compact(sent)); diff != "" {
		t.Errorf("documented (-) and sent (+) operations differ:\n%s", diff)
	}
}

func TestARefusalIsAnErrorWithItsProblem(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(api.Problem{Code: api.CodeConflict, Field: "name", Detail: "is taken", TraceID: "t1"})
	}))
	defer s.Close()
	m := &client.Management{BaseURL: s.URL + "/", Token: client.NewSecret("spop_canary"), HTTP: s.Client()}
	_, err := m.CreateOrganization(t.Context(), api.NewOrganization{Name: "x"})
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Problem.Code != api.CodeConflict || refused.Problem.Status != http.StatusConflict {
		t.Fatalf("got %#v", err)
	}
	if got, want := err.Error(), "POST /v1/organizations: 409: name: is taken (trace t1)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnAnswerOfSomethingElseIsAnErrorToo(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		fmt.Fprint(w, "<h1>nginx</h1>")
	}))
	defer s.Close()
	m := &client.Management{BaseURL: s.URL, HTTP: s.Client()}
	_, err := m.Status(t.Context())
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Problem.Status != http.StatusBadGateway || refused.Problem.Detail == "" {
		t.Fatalf("got %#v", err)
	}
	if strings.Contains(err.Error(), "nginx") {
		t.Errorf("repeats what it does not know: %v", err)
	}
}

func TestTheTokenFollowsNoRedirectAndNoPlainHTTP(t *testing.T) {
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was followed") }))
	defer elsewhere.Close()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	m := &client.Management{BaseURL: s.URL, Token: client.NewSecret("spop_canary"), HTTP: s.Client()}
	var refused *client.Error
	if _, err := m.Status(t.Context()); !errors.As(err, &refused) || refused.Problem.Status != http.StatusTemporaryRedirect {
		t.Errorf("got %v", err)
	}
	for _, base := range []string{"http://manage.example.com", "", "manage.example.com:443", "ftp://localhost", "https://user:pass@example.com"} {
		if _, err := (&client.Management{BaseURL: base, HTTP: s.Client()}).Status(t.Context()); err == nil {
			t.Errorf("%q: sent", base)
		}
	}
}

func TestAnIdempotentRequestIsRepeatedOnceAfterRetryAfter(t *testing.T) {
	tests := []struct {
		name   string
		status int
		header map[string]string
		call   func(context.Context, *client.Management) error
		sent   int
		waited time.Duration
	}{
		{"a GET on 503", 503, map[string]string{"Retry-After": "2"}, status, 2, 2 * time.Second},
		{"a GET on 429", 429, map[string]string{"Retry-After": "1"}, status, 2, time.Second},
		{"by a date", 503, map[string]string{"Retry-After": "Mon, 02 Jan 2006 15:04:10 GMT", "Date": "Mon, 02 Jan 2006 15:04:05 GMT"}, status, 2, 5 * time.Second},
		{"not without Retry-After", 503, nil, status, 1, 0},
		{"not for too long", 503, map[string]string{"Retry-After": "3600"}, status, 1, 0},
		{"not on 500", 500, map[string]string{"Retry-After": "1"}, status, 1, 0},
		{"not a POST", 503, map[string]string{"Retry-After": "1"}, func(ctx context.Context, m *client.Management) error {
			_, err := m.CreateOrganization(ctx, api.NewOrganization{})
			return err
		}, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				m := &client.Management{BaseURL: "https://manage.example.com", HTTP: &http.Client{
					Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
						sent++
						return answer(r, tt.status, tt.header, ""), nil
					}),
				}}
				start := time.Now()
				if err := tt.call(t.Context(), m); err == nil {
					t.Error("no error")
				}
				if sent != tt.sent || time.Since(start) != tt.waited {
					t.Errorf("sent %d times in %v, want %d in %v", sent, time.Since(start), tt.sent, tt.waited)
				}
			})
		})
	}
}

func status(ctx context.Context, m *client.Management) error {
	_, err := m.Status(ctx)
	return err
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &client.Management{BaseURL: "https://manage.example.com", HTTP: &http.Client{
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				return answer(r, 503, map[string]string{"Retry-After": "20"}, ""), nil
			}),
		}}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		if err := status(ctx, m); err == nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestAllGoesThroughThePages(t *testing.T) {
	m := &client.Management{BaseURL: "https://manage.example.com", HTTP: &http.Client{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			body := `{"items":[{"id":"org_1"}],"next":"org_1"}`
			if r.URL.Query().Get("after") == "org_1" {
				body = `{"items":[{"id":"org_2"}],"next":""}`
			}
			return answer(r, 200, nil, body), nil
		}),
	}}
	all, err := client.All(func(page api.Page) (api.List[api.Organization], error) { return m.Organizations(t.Context(), page) })
	if err != nil || len(all) != 2 || all[1].ID != "org_2" {
		t.Errorf("got %+v, %v", all, err)
	}
}

func TestManagementDoesNotPrintItsToken(t *testing.T) {
	m := client.Management{BaseURL: "https://manage.example.com", Token: client.NewSecret("spop_canary")}
	data, err := json.Marshal(m.Token)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%v %+v %#v %s", m, m, m, data)
	if strings.Contains(text, "canary") {
		t.Errorf("it does: %s", text)
	}
}

func TestPathSegmentsAreEscaped(t *testing.T) {
	var path string
	m := &client.Management{BaseURL: "https://manage.example.com", HTTP: &http.Client{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			path = r.URL.EscapedPath()
			return answer(r, 204, nil, ""), nil
		}),
	}}
	for value, want := range map[string]string{"a/b c": "a%2Fb%20c", "..": "%2E%2E", ".": "%2E", "ü": "%C3%BC"} {
		if err := m.RemoveSubmitter(t.Context(), "org_1", "host", value); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimPrefix(path, "/v1/organizations/org_1/submitters/host/"); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}
