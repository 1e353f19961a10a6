package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// complete reads and completes text.
func complete(text string) (*config.Config, error) {
	c, err := config.Parse([]byte(text))
	if err != nil {
		return nil, err
	}
	return c, c.Complete()
}

func mustComplete(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := complete(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAnEmptyFileIsAWholeConfiguration(t *testing.T) {
	environment := func(listen, prefix string, contracted bool) *config.Environment {
		window := config.Duration(20 * time.Second)
		return &config.Environment{
			Listener: config.Listener{Listen: listen}, Algorithm: "RS256", SecretPrefix: prefix, Contracted: &contracted,
			MinTokenLifetime: config.Duration(time.Hour), MaxTokenLifetime: config.Duration(24 * time.Hour), ReuseWindow: &window,
			KeyPeriod: config.Duration(90 * 24 * time.Hour), KeyLead: config.Duration(time.Hour),
			V1: config.V1{Deprecated: time.Date(2019, 8, 1, 0, 0, 0, 0, time.UTC), Sunset: time.Date(2027, 12, 31, 0, 0, 0, 0, time.UTC)},
		}
	}
	want := &config.Config{
		Data: "sallyport-data", Database: config.Database{SQLite: filepath.Join("sallyport-data", "sallyport.db")},
		Environments: map[market.Environment]*config.Environment{
			"sandbox":    environment("127.0.0.1:8443", "spsbx", false),
			"production": environment("127.0.0.1:8444", "spprd", true),
		},
		Management: config.Listener{Listen: "127.0.0.1:8445"},
		Portal:     config.Listener{Listen: "127.0.0.1:8446"},
		ACME:       config.ACME{Directory: "https://acme-v02.api.letsencrypt.org/directory"},
		Headers: config.Headers{
			Trace: "X-Trace-Id", Source: "X-Sallyport-Source", Identity: "X-Sallyport-Identity", Organization: "X-Sallyport-Organization",
			Application: "X-Sallyport-Application", ClientID: "X-Sallyport-Client-Id", User: "X-Sallyport-User", Environment: "X-Sallyport-Environment",
		},
		Audience: "apiPlatform", Name: "API Marketplace", Log: config.Log{Level: "info"},
	}
	for _, text := range []string{"", "\n# nothing but a comment\n", "environments:\n  sandbox:\n"} {
		got := mustComplete(t, text)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got)\n%s", text, diff)
		}
		if got.StaleLimit() != 15*time.Minute {
			t.Errorf("max_stale is %v", got.StaleLimit())
		}
	}
}

func TestWhatIsWrittenIsKept(t *testing.T) {
	c := mustComplete(t, `
database: {postgres: {env: DATABASE_URL}}
environments:
  qa-2:
    listen: "[::1]:9443"
    hosts: [qa.example.com, "::1"]
    issuer: https://qa.example.com/tenant
    tls: {certificate: qa.pem, key: qa.key}
    contracted: false
    reuse_window: 0s
    token_endpoints:
      - {path: /token/, dialect: v2, json: true}
    v1: {off: true, sunset: 2027-01-01T00:00:00Z}
max_stale: 1m30s
catalog: {vars: {BILLING_URL: http://10.0.0.7}}
`)
	qa := c.Environments["qa-2"]
	if c.Database.SQLite != "" || qa.Listen != "[::1]:9443" || qa.TLS.Key != "qa.key" || len(qa.Hosts) != 2 {
		t.Errorf("got %+v, %+v", c.Database, qa)
	}
	if *qa.Contracted || *qa.ReuseWindow != 0 || !qa.V1.Off || qa.V1.Sunset.Year() != 2027 {
		t.Errorf("what was switched off was switched on: %+v", qa)
	}
	if got := qa.TokenEndpoints[0]; got != (config.Endpoint{Path: "/token", Dialect: "v2", JSON: true}) {
		t.Errorf("token endpoint %+v", got)
	}
	if qa.SecretPrefix != "spqa2" {
		t.Errorf("the prefix made of the name is %q", qa.SecretPrefix)
	}
	if c.StaleLimit() != 90*time.Second || c.Catalog.Vars["BILLING_URL"] != "http://10.0.0.7" {
		t.Errorf("got %v, %v", c.StaleLimit(), c.Catalog.Vars)
	}
}

func TestAFileThatIsNotUnderstoodNamesItsLine(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"an unknown key", "name: x\nnmae: y\n", "line 2: there is no setting nmae"},
		{"an unknown key deep down", "environments:\n  sandbox:\n    tls:\n      cert: x\n", "line 4: there is no setting cert"},
		{"an unknown key beside inline ones", "environments:\n  sandbox:\n    listener: x\n", "line 3: there is no setting listener"},
		{"a key twice", "name: x\nname: y\n", "line 2: "},
		{"an environment twice", "environments:\n  a: {listen: 'x:1'}\n  a: {listen: 'x:2'}\n", "line 3: "},
		{"a list for a text", "name: [x]\n", "line 1: here has to be a text, and not a list"},
		{"a text for a section", "log: debug\n", "line 1: here has to be a section, with settings of its own, and not a text"},
		{"a text for a list", "portal:\n  hosts: api.example.com\n", "line 2: here has to be a list, such as [one, two], and not a text"},
		{"a text for a switch", "portal: {plain: soon}\n", "line 1: here has to be true or false, and not a text"},
		{"a secret in the file itself", "database: {postgres: 'postgres://u:p@h/d'}\n", "line 1: here has to be the place of a secret, {file: NAME} or {env: NAME}, and not a text"},
		{"lines that are not indented alike", "portal:\n    listen: a\n   hosts: [b]\n", "see how the lines are indented"},
		{"a number for a duration", "audience: x\nmax_stale: 15\n", `line 2: "15" is not a duration such as 90s`},
		{"a negative duration", "max_stale: -1s\n", "is not a duration"},
		{"a map for a duration", "max_stale: {s: 1}\n", "line 1: "},
		{"a word for true or false", "management: {plain: maybe}\n", "line 1: "},
		{"a time that is none", "environments: {a: {v1: {sunset: soon}}}\n", "line 1: "},
		{"a tab", "log:\n\tlevel: info\n", "line 2: "},
		{"a second document", "name: x\n---\nname: y\n", "more than one YAML document"},
		{"a list", "- name: x\n", "line 1: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse([]byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	sandbox := func(text string) string { return "environments: {sandbox: {" + text + "}}" }
	const notAnIssuer = "environments.sandbox.issuer: must be an https URL"
	tests := []struct{ name, text, want string }{
		{"two databases", "database: {sqlite: x.db, postgres: {env: X}}", "database: give sqlite or postgres, not both"},
		{"a log level that is none", "log: {level: loud}", "log.level: must be debug, info, warn or error"},
		{"a header's name with a space", "headers: {trace: 'X Trace'}", "headers.trace: "},
		{"a header's name with an underscore", "headers: {strip: [ok, X_Tenant]}", "headers.strip[1]: "},
		{"an accepted trace header without a name", "headers: {trace_accept: ['']}", "headers.trace_accept[0]: "},
		{"an address for a network", "key_sets: {allow: [10.0.0.1]}", `key_sets.allow[0]: "10.0.0.1" is not a network`},
		{"a network with bits of an address", "key_sets: {allow: [10.0.0.1/8]}", "key_sets.allow[0]: "},
		{"half a certificate for upstreams", "upstream_tls: {inner: {certificate: a.pem}}", "upstream_tls.inner: give certificate and key, or neither"},
		{"TLS settings that say nothing", "upstream_tls: {inner: {}}", "upstream_tls.inner: is empty"},
		{"TLS settings without a name that can be", "upstream_tls: {Inner CA: {ca: a.pem}}", "upstream_tls.Inner CA: the name must be"},
		{"key sets that are gone by for days", "key_sets: {stale: 25h}", "key_sets.stale: must be at most 24h"},
		{"no port", "management: {listen: localhost}", `management.listen: "localhost" is not an address and port`},
		{"an environment without an address", "environments: {qa: {}}", "environments.qa.listen: "},
		{"plain beyond loopback", "portal: {listen: '0.0.0.0:80', plain: true}", "portal.plain: plain HTTP is for loopback addresses only"},
		{"a trusted proxy by its name", sandbox("trusted_proxies: [lb.example]"), `environments.sandbox.trusted_proxies: "lb.example" is not an address or a network`},
		{"a trusted proxy for certificates", sandbox("mtls: {listen: '127.0.0.1:1', trusted_proxies: [10.0.0.1]}"), "environments.sandbox.mtls.trusted_proxies: a proxy that says who called it"},
		{"everybody as a trusted proxy", sandbox("trusted_proxies: ['::/0']"), `environments.sandbox.trusted_proxies: "::/0" is everybody`},
		{"plain on every address", "portal: {listen: ':80', plain: true}", "portal.plain: "},
		{"plain on a name", "portal: {listen: 'localhost:80', plain: true}", "portal.plain: "},
		{"a certificate without its key", "portal: {tls: {certificate: x.pem}}", "portal.tls: give certificate and key"},
		{"mutual TLS without an address", sandbox("mtls: {client_ca: [x.pem]}"), "environments.sandbox.mtls.listen: is missing"},
		{"mutual TLS without TLS", sandbox("mtls: {listen: '127.0.0.1:0', plain: true}"), "environments.sandbox.mtls.plain: there are no client certificates"},
		{"a key without its certificate", sandbox("tls: {key: x.pem}"), "environments.sandbox.tls: give certificate and key"},
		{"a URL that is not https", "portal: {url: 'http://x.example'}", "portal.url: must be an https URL"},
		{"a URL with a slash at its end", "portal: {url: 'https://x.example/'}", "portal.url: must be an https URL"},
		{"a host with a port", "portal: {hosts: ['x.example:443']}", "portal.hosts: "},
		{"an empty host", "portal: {hosts: ['']}", "portal.hosts: "},
		{"an environment's name in capitals", "environments: {QA: {listen: ':1'}}", "environments.QA: the name must be"},
		{"an issuer with a query", sandbox("issuer: 'https://x.example?a=b'"), notAnIssuer},
		{"an issuer with a fragment", sandbox("issuer: 'https://x.example#a'"), notAnIssuer},
		{"an issuer with a user", sandbox("issuer: 'https://me@x.example'"), notAnIssuer},
		{"an issuer that is a word", sandbox("issuer: me"), notAnIssuer},
		{"an optional grant_type without JSON", sandbox("token_endpoints: [{path: /a/token, dialect: v2, profile: {grant_type_optional: true}}]"), "grant_type_optional: is for JSON bodies"},
		{"an alias with a path's end", sandbox("aliases: ['https://x.example/']"), "aliases[0]: must be an https URL"},
		{"one issuer for two", "environments: {sandbox: {issuer: 'https://x.example'}, production: {issuer: 'https://x.example'}}", "is that of production too"},
		{"an algorithm that does not sign here", sandbox("algorithm: HS256"), "environments.sandbox.algorithm: must be RS256, ES256 or EdDSA"},
		{"a prefix with an underscore", sandbox("secret_prefix: sp_x"), "environments.sandbox.secret_prefix: must be 2 to 16"},
		{"a prefix too long", sandbox("secret_prefix: abcdefghijklmnopq"), "environments.sandbox.secret_prefix: must be 2 to 16"},
		{"one prefix for two", sandbox("secret_prefix: spprd"), "environments.sandbox.secret_prefix: is that of production too"},
		{"one address for two listeners", "portal: {listen: '127.0.0.1:8445'}", "portal.listen: 127.0.0.1:8445 is the address of management too"},
		{"one address for an environment and its mutual TLS", sandbox("listen: '127.0.0.1:1', mtls: {listen: '127.0.0.1:1'}"), "environments.sandbox.mtls.listen: 127.0.0.1:1 is the address of environments.sandbox too"},
		{"lifetimes crossed", sandbox("min_token_lifetime: 2h, max_token_lifetime: 1h"), "min_token_lifetime: is longer than max_token_lifetime"},
		{"a lifetime beyond what is remembered", sandbox("max_token_lifetime: 49h"), "max_token_lifetime: must be at most 48h"},
		{"a key that signs no longer than it waits", sandbox("key_period: 1h, key_lead: 1h"), "key_period: must be longer than key_lead"},
		{"a window longer than the leeway", sandbox("reuse_window: 31s"), "reuse_window: must be at most 30s"},
		{"a token endpoint of another name", sandbox("token_endpoints: [{path: /oauth2/tokens, dialect: rfc}]"), "token_endpoints[0].path: "},
		{"a token endpoint without a slash", sandbox("token_endpoints: [{path: oauth2/token, dialect: rfc}]"), "token_endpoints[0].path: "},
		{"a token endpoint twice", sandbox("token_endpoints: [{path: /token, dialect: v1}, {path: /token/, dialect: v2}]"), "token_endpoints[1].path: "},
		{"a dialect that is none", sandbox("token_endpoints: [{path: /token, dialect: v4}]"), "token_endpoints[0].dialect: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := complete(tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("all at once", func(t *testing.T) {
		_, err := complete("log: {level: loud}\nportal: {listen: x}\n" + sandbox("algorithm: none, reuse_window: 1h"))
		for _, want := range []string{"log.level", "portal.listen", "sandbox.algorithm", "sandbox.reuse_window"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v lacks %s", err, want)
			}
		}
	})
}

func TestTheDefaultPrefixOfAnyNameIsOne(t *testing.T) {
	for _, name := range []string{"qa", "qa-2", "a", "a-very-long-name-of-an-environmen"[:31]} {
		if _, err := complete("environments: {" + name + ": {listen: ':1'}}"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPathsInAFileAreRelativeToItsFolder(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "sallyport.yaml")
	text := `
data: data
keys: {sealing: {file: keys/sealing.key}, hashing: {file: /etc/hashing.key}}
portal: {tls: {certificate: portal.pem, key: portal.key}}
environments: {sandbox: {tls: {certificate: a.pem, key: a.key}}, production: }
log: {file: sallyport.log}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{
		c.Data, c.Database.SQLite, c.Keys.Sealing.File, c.Keys.Hashing.File, c.Portal.TLS.Certificate, c.Portal.TLS.Key,
		c.Environments["sandbox"].TLS.Certificate, c.Environments["sandbox"].TLS.Key, c.Log.File, c.Management.TLS.Key,
	}
	in := func(name string) string { return filepath.Join(folder, name) }
	want := []string{
		in("data"), in("data/sallyport.db"), in("keys/sealing.key"), "/etc/hashing.key", in("portal.pem"), in("portal.key"),
		in("a.pem"), in("a.key"), in("sallyport.log"), "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAFileThatCannotBeReadIsNamed(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for file, want := range map[string]string{
		filepath.Join(folder, "missing.yaml"):                    "read the configuration: ",
		write("typo.yaml", "nmae: x\n"):                          "typo.yaml: line 1: ",
		write("wrong.yaml", "log: {level: loud}\n"):              "wrong.yaml: log.level: ",
		write("large.yaml", "#"+strings.Repeat("x", 1<<20)+"\n"): "large.yaml: is larger than a configuration can be",
	} {
		if _, err := config.Load(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestASecretIsReadFromItsPlace(t *testing.T) {
	const key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(key+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{
		"KEY": key, "BASE64": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "URLSAFE": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY",
		"SHORT": key[:62], "WORDS": "correct horse battery staple, twice over",
	}
	getenv := func(name string) string { return variables[name] }
	for _, s := range []config.Secret{{File: file}, {Env: "KEY"}} {
		if got, err := s.ReadKey(getenv); err != nil || got.Reveal() != key {
			t.Errorf("%+v: %v, %v", s, got.Reveal(), err)
		}
	}
	for _, name := range []string{"BASE64", "URLSAFE"} {
		if _, err := (config.Secret{Env: name}).ReadKey(getenv); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for want, s := range map[string]config.Secret{
		"give file or env, not both":                             {File: file, Env: "KEY"},
		"name the file or env that holds it":                     {},
		"variable NONE is empty or not set":                      {Env: "NONE"},
		"there is no file " + file + "x: for a new installation": {File: file + "x"},
		"must be at least 32 random bytes":                       {Env: "SHORT"},
		"as `openssl rand -hex 32` prints":                       {Env: "WORDS"},
	} {
		if _, err := s.ReadKey(getenv); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", s, err, want)
		} else if strings.Contains(err.Error(), "horse") || strings.Contains(err.Error(), key[:62]) {
			t.Errorf("%+v: the error holds the secret: %v", s, err)
		}
	}
	if (config.Secret{File: file}).Exposed() || (config.Secret{Env: "KEY"}).Exposed() {
		t.Error("what its owner alone can read is called exposed")
	}
	if err := os.Chmod(file, 0o644); err != nil || !(config.Secret{File: file}).Exposed() {
		t.Errorf("%v: a file that everybody can read is not exposed", err)
	}
	if !(config.Secret{}).IsZero() || (config.Secret{Env: "KEY"}).IsZero() {
		t.Error("IsZero is wrong")
	}
}

// Whatever is read either fails in words or is a configuration that stays as it
// is when it is completed again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "name: x\n", "environments:\n  sandbox:\n    listen: '127.0.0.1:0'\n    reuse_window: 0s\n", "environments: {a: null}",
		"a: &a [*a]\n", "max_stale: 1h\nlog: {level: warn, file: x}\n", "catalog: {vars: {A: b}}\n", "headers: {strip: [X-A]}\n",
		"environments: {sandbox: {token_endpoints: [{path: /token, dialect: rfc}]}}", "---\n---\n", "keys: {sealing: {env: A}}\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse([]byte(text))
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a word")
			}
			return
		}
		if c.Complete() != nil {
			return
		}
		again := *c
		if err := again.Complete(); err != nil {
			t.Errorf("complete, and then not: %v", err)
		}
		if diff := cmp.Diff(c, &again); diff != "" {
			t.Errorf("completing twice changes\n%s", diff)
		}
	})
}
