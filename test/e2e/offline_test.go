package e2e_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/catalog"
	"github.com/sallyport-dev/sallyport/client"
	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/internal/localca"
)

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// found is what the checks answer in JSON.
type found struct {
	Good          bool
	APIs          int
	Faults, Notes []fault
}

type fault struct {
	File   string
	Line   int
	Detail string
}

func check(t *testing.T, env map[string]string, args ...string) (code int, out found) {
	t.Helper()
	code, stdout, stderr := sallyport(t, env, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(stdout), &out); err != nil {
		t.Fatalf("%v: %d %q %s", err, code, stdout, stderr)
	}
	return code, out
}

func TestACatalogueIsCheckedWithoutAServer(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, catalog.Files); err != nil {
		t.Fatal(err)
	}
	code, out := check(t, nil, "catalog", "check", dir)
	if code != 1 || out.Good || !slices.ContainsFunc(out.Faults, func(f fault) bool {
		return f.Line > 1 && strings.Contains(f.Detail, "${DEMO_UPSTREAM} has no value")
	}) {
		t.Errorf("without the variable: %d %+v", code, out)
	}
	if _, _, stderr := sallyport(t, nil, "catalog", "check", dir); !strings.Contains(stderr, "hint: values of variables: --var NAME=VALUE") {
		t.Errorf("what to do about a variable: %s", stderr)
	}
	env := map[string]string{"DEMO_UPSTREAM": "https://upstream.example.com"}
	if code, out = check(t, env, "catalog", "check", dir); code != 0 || !out.Good || out.APIs != 3 || len(out.Faults)+len(out.Notes) != 0 {
		t.Errorf("with it in the environment: %d %+v", code, out)
	}
	if code, stdout, stderr := sallyport(t, nil, "catalog", "check", dir, "--var", "DEMO_UPSTREAM=https://upstream.example.com"); code != 0 || stdout != "" || !strings.Contains(stderr, "the catalogue is good: 3 APIs") {
		t.Errorf("with it on the command line: %d %q %s", code, stdout, stderr)
	}
	if code, _, stderr := sallyport(t, env, "catalog", "check", dir, "--var", "DEMO_UPSTREAM"); code != 2 || !strings.Contains(stderr, "NAME=VALUE") {
		t.Errorf("a variable without a value: %d %s", code, stderr)
	}

	put(t, filepath.Join(dir, "own-v1", "manifest.yaml"), `title: Own
base_path: /own/v1
products: [MN_Product_Eligibility_v3]
upstreams:
  sandbox: {url: "https://own.example.com", tls: inner}
request:
  issuers: [own, partner]
`)
	code, out = check(t, env, "catalog", "check", dir)
	if code != 0 || len(out.Notes) != 2 || out.Notes[0].Line != 5 || !strings.Contains(out.Notes[0].Detail, "upstream_tls") || !strings.Contains(out.Notes[1].Detail, `"partner"`) {
		t.Errorf("what only a configuration tells: %d %+v", code, out)
	}
	file := filepath.Join(t.TempDir(), "sallyport.yaml")
	put(t, file, "catalog: {vars: {DEMO_UPSTREAM: \"https://upstream.example.com\"}}\nupstream_tls: {inner: {server_name: own.example.com}}\n")
	code, out = check(t, nil, "catalog", "check", dir, "--config", file)
	if code != 1 || len(out.Faults) != 1 || len(out.Notes) != 0 || out.Faults[0].File != filepath.Join(dir, "own-v1", "manifest.yaml") || out.Faults[0].Line != 7 {
		t.Errorf("with the configuration: %d %+v", code, out)
	}

	put(t, filepath.Join(dir, "own-v1", "picture.yaml"), "\xff\xfe")
	put(t, filepath.Join(dir, "own-v1", "other.yaml"), "\xff")
	code, stdout, stderr := sallyport(t, env, "catalog", "check", dir)
	if code != 1 || strings.Count(stdout, "is not text\n") != 2 || !strings.Contains(stderr, "the catalogue has 2 faults") {
		t.Errorf("files that are no text: %d %q %s", code, stdout, stderr)
	}
}

func TestAConfigurationIsCheckedAndNothingIsDone(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	env := map[string]string{}
	put(t, at("sealing.key"), strings.Repeat("0123456789abcdef", 4)+"\n")
	put(t, at("hashing.key"), strings.Repeat("fedcba9876543210", 4)+"\n")
	good := `data: data
keys: {sealing: {file: sealing.key}, hashing: {file: hashing.key}}
upstream_tls: {inner: {ca: tls/ca.pem}}
key_sets: {ca: tls/ca.pem}
environments:
  sandbox: {tls: {certificate: tls/cert.pem, key: tls/key.pem}}
`
	certify(t, dir, time.Now())
	put(t, at("sallyport.yaml"), good)
	before := entries(t, dir)
	code, stdout, stderr := sallyport(t, env, "serve", "--check", "--config", at("sallyport.yaml"))
	if code != 0 || stdout != "" || !strings.Contains(stderr, "the configuration is good") || !strings.Contains(stderr, "note: data: there is no folder") {
		t.Errorf("a good one: %d %q %s", code, stdout, stderr)
	}
	if after := entries(t, dir); !slices.Equal(before, after) {
		t.Errorf("something was written: %v, was %v", after, before)
	}

	put(t, at("bad.yaml"), `data: sallyport.yaml
keys: {sealing: {file: none.key}, hashing: {env: HASHING}}
database: {postgres: {env: DSN}}
log: {level: loud}
upstream_tls: {inner: {ca: sealing.key}}
tracing: {otlp: "https://collector.example.com", headers: {Authorization: {file: none.token}}}
catalog: {vars: {billing: "https://billing.example.com", EMPTY: ""}}
issuers: [{name: partner, issuer: "https://sandbox.example.com", audiences: [us], environments: [sandbox], client_claim: azp, client: any}]
environments:
  sandbox: {url: "https://sandbox.example.com", mtls: {listen: "127.0.0.1:0", client_ca: [none.pem]}, tls: {certificate: tls/cert.pem, key: hashing.key}}
`)
	code, out := check(t, env, "serve", "--check", "--config", at("bad.yaml"))
	var faults strings.Builder
	for _, f := range out.Faults {
		faults.WriteString(f.Detail + "\n")
	}
	for _, want := range []string{
		"log.level: must be", "data: the data folder", "keys.sealing: there is no file " + at("none.key"), "keys.hashing: the environment variable HASHING",
		"database.postgres: the environment variable DSN", "upstream_tls.inner.ca: " + at("sealing.key") + " holds no certificate", "tracing.headers.Authorization: ",
		`catalog.vars: no manifest can name "billing"`, "catalog.vars.EMPTY: is empty", "issuers[0].issuer: is our own, of sandbox",
		"environments.sandbox.mtls.client_ca: ", "environments.sandbox.tls: read the certificate",
	} {
		if !strings.Contains(faults.String(), want) {
			t.Errorf("lacks %q:\n%s", want, faults.String())
		}
	}
	if code != 1 || out.Good {
		t.Errorf("got %d %v", code, out.Good)
	}

	certify(t, dir, time.Now().AddDate(-20, 0, 0))
	if code, stdout, _ := sallyport(t, env, "serve", "--check", "--config", at("sallyport.yaml")); code != 1 || !strings.Contains(stdout, "environments.sandbox.tls: the certificate "+at("tls/cert.pem")+" has expired") {
		t.Errorf("an expired certificate: %d %s", code, stdout)
	}
	put(t, at("sallyport.yaml"), "nonsense: true\n")
	if code, _, stderr := sallyport(t, env, "serve", "--check", "--config", at("sallyport.yaml")); code != 1 || !strings.Contains(stderr, "there is no setting nonsense here") {
		t.Errorf("no such setting: %d %s", code, stderr)
	}
}

// certify writes an authority, and a certificate of it that was made then, below dir.
func certify(t *testing.T, dir string, then time.Time) {
	t.Helper()
	folder := t.TempDir()
	ca, err := localca.Open(folder, func() time.Time { return then })
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue([]string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(ca.File)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "tls/ca.pem"), string(text))
	put(t, filepath.Join(dir, "tls/cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})))
	put(t, filepath.Join(dir, "tls/key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
}

// entries lists all files below dir.
func entries(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		all = append(all, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// What cron and systemd give for an input answers nothing.
func TestTheNullDeviceIsNoTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	var stdout, stderr bytes.Buffer
	args := []string{"reset-keys", "--config", filepath.Join(t.TempDir(), "sallyport.yaml"), "--hashing"}
	put(t, args[2], "{}\n")
	code := cli.Run(t.Context(), args, func(string) string { return "" }, null, &stdout, &stderr)
	if code != 2 || strings.Contains(stderr.String(), "[y/N]") || !strings.Contains(stderr.String(), "there is no terminal to ask at") {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
}

func TestThePortalShowsTheSandboxFirst(t *testing.T) {
	s := start(t)
	for _, page := range []string{"/", "/apis/eligibility-v3"} {
		body := string(s.do("GET", s.Portal+page, nil, "").body)
		sandbox, production := strings.Index(body, s.Environments["sandbox"].URL), strings.Index(body, s.Environments["production"].URL)
		if sandbox < 0 || production < sandbox {
			t.Errorf("%s: sandbox at %d, production at %d", page, sandbox, production)
		}
	}
}

func TestACallIsExplainedAsOfAnAppWithoutAToken(t *testing.T) {
	s := start(t)
	m := s.operator()
	before, err := m.TokenUsage(t.Context(), api.TokenUsageFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, env := range []string{"sandbox", "production"} {
		e := s.Environments[env]
		token := s.token(e)
		for _, call := range e.Calls {
			byToken, ask := s.explain(call, token), api.Call{Method: call.Method, URL: call.URL, Body: call.Body, ClientID: e.ClientID}
			for name, value := range call.Headers {
				ask.Headers = append(ask.Headers, name+": "+value)
			}
			byApp, err := m.Explain(t.Context(), ask)
			if err != nil || !byApp.Allowed || byApp.Source != byToken.Source || len(byApp.Steps) != len(byToken.Steps) {
				t.Errorf("%s: by client_id %+v %v, by token %+v", call.API, byApp, err, byToken)
			}
		}
	}
	if after, err := m.TokenUsage(t.Context(), api.TokenUsageFilter{}); err != nil || len(after.Items) != len(before.Items) {
		t.Errorf("tokens were counted: %+v, were %+v %v", after, before, err)
	}
	sandbox, production := s.Environments["sandbox"], s.Environments["production"]
	call := sandbox.Calls[0]
	app := s.app(m, sandbox.ClientID)
	ask := func(as api.Call) (api.Explanation, error) {
		as.Method, as.URL = call.Method, call.URL
		return m.Explain(t.Context(), as)
	}
	if e, err := ask(api.Call{ClientID: production.ClientID}); err != nil || e.Allowed || e.Status != 401 || !strings.Contains(e.Steps[len(e.Steps)-1].Says, "the app is of production") {
		t.Errorf("of the other environment: %+v %v", e, err)
	}
	alone, err := m.CreateApp(t.Context(), api.NewApp{Org: app.Org, Name: "alone", Environment: "sandbox", DeveloperEmail: "dev@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := ask(api.Call{App: alone.ID}); err != nil || e.Allowed || e.Code != "invalid_client" || e.Steps[len(e.Steps)-1].Stage != "token" || !strings.Contains(e.Next, "credential create") {
		t.Errorf("without a credential: %+v %v", e, err)
	}
	text := client.NewSecret("abc")
	for name, as := range map[string]api.Call{
		"no such app":         {App: "app_00000000000000000000000000"},
		"no such client_id":   {ClientID: "nobody"},
		"a token and an app":  {App: app.ID, Token: &text},
		"an app by two names": {App: app.ID, ClientID: sandbox.ClientID},
		"a token in a header": {App: app.ID, Headers: []string{"Authorization: Bearer abc"}},
	} {
		var refused *client.Error
		if _, err := ask(as); !errors.As(err, &refused) || refused.Problem.Status != 400 && refused.Problem.Status != 404 {
			t.Errorf("%s: %v", name, err)
		}
	}

	env := map[string]string{"SALLYPORT_URL": s.Operator.URL, "SALLYPORT_TOKEN": s.Operator.Token, "SALLYPORT_CA": s.CA}
	args := []string{"explain", call.Method, call.URL, "--app", app.Name, "--org", app.Org}
	if code, stdout, stderr := sallyport(t, env, append(args, "--environment", "sandbox")...); code != 0 || !strings.Contains(stdout, "token of app") {
		t.Errorf("by the command line: %d %s %s", code, stdout, stderr)
	}
	disabled := "disabled"
	if _, err := m.UpdateApp(t.Context(), app.ID, api.AppPatch{State: &disabled, Force: true}); err != nil {
		t.Fatal(err)
	}
	if e, err := ask(api.Call{App: app.ID}); err != nil || e.Allowed || e.Code != "unauthorized_client" || !strings.Contains(e.Detail, "disabled") {
		t.Errorf("a disabled one: %+v %v", e, err)
	}
}

func TestAMismatchTellsSeveralFaultsAtOnce(t *testing.T) {
	s := start(t)
	s.applyAlso(map[string]string{
		"many-v1/manifest.yaml": `title: Many
base_path: /many/v1
products: [MN_Product_Eligibility_v3]
openapi: openapi.yaml
`,
		"many-v1/openapi.yaml": `openapi: 3.1.0
info: {title: Many, version: "1"}
paths:
  /things:
    post:
      operationId: make
      parameters:
        - {name: limit, in: query, schema: {type: integer}}
        - {name: order, in: query, required: true, schema: {type: string}}
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [name, kind, size]
              additionalProperties: false
              properties:
                name: {type: string, maxLength: 3}
                kind: {enum: [a, b]}
                size: {type: integer}
                "a/b c": {type: integer}
                list: {type: array, items: {type: object, required: [x, y], properties: {x: {type: integer}, y: {type: integer}}}}
      responses:
        "200": {description: Made}
`,
	})
	e := s.Environments["sandbox"]
	token := s.token(e)
	type told struct {
		Detail, Field string
		Errors        []struct{ Pointer, Parameter, Detail string }
	}
	ask := func(query, body string) (out told) {
		a := s.do("POST", e.URL+"/many/v1/things"+query, map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}, body)
		if err := json.Unmarshal(a.body, &out); err != nil || a.status != 400 {
			t.Fatalf("%s: %d %s", body, a.status, a.body)
		}
		return out
	}
	places := func(o told) (all []string) {
		for _, e := range o.Errors {
			all = append(all, e.Pointer+e.Parameter+" "+e.Detail)
		}
		return all
	}
	got := ask("?order=up", `{"name":"Jane Roe","a/b c":"x","list":[{"x":"1"}]}`)
	want := []string{
		"#/name must have at most 3 characters", "#/kind is required", "#/size is required",
		"#/a~1b%20c must be a whole number", "#/list/0/x must be a whole number", "#/list/0/y is required",
	}
	if !slices.Equal(places(got), want) || got.Field != "/name" || !strings.Contains(got.Detail, "/name must have at most 3 characters") {
		t.Errorf("got %+v, want %q", got, want)
	}
	if got = ask("?order=up", "[]"); len(got.Errors) != 1 || got.Errors[0].Pointer != "#" {
		t.Errorf("the body itself: %+v", got)
	}
	if got = ask("?limit=many", "{}"); !slices.Equal(places(got), []string{"query limit must be a whole number", "query order is required"}) || got.Field != "query limit" {
		t.Errorf("parameters: %+v", got)
	}
	many := strings.Repeat(`{"x":"Jane","y":"Roe"},`, 2000)
	if got = ask("?order=up", `{"name":"a","kind":"a","size":1,"list":[`+strings.TrimSuffix(many, ",")+`]}`); len(got.Errors) != 10 || got.Errors[9].Pointer != "#/list/4/y" {
		t.Errorf("many: %+v", got)
	}
}
