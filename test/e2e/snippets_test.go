package e2e_test

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/api"
)

// clientsPage is where the programs of this file's tests are.
const clientsPage = "../../docs/clients.md"

// snippet is a fenced block of a page.
type snippet struct {
	heading  string // the one that it is below
	language string
	run      string // what its info string says in run=; empty: nothing
	text     string
	line     int // of its fence
}

// name tells it from the page's others.
func (b snippet) name() string { return b.heading + " " + b.run }

// snippetsOf reads the fenced blocks of a page.
func snippetsOf(t *testing.T, page string) []snippet {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []snippet
	var heading string
	var open *snippet
	for i, line := range strings.Split(string(text), "\n") {
		fence, found := strings.CutPrefix(strings.TrimLeft(line, " "), "```")
		switch {
		case found && open == nil:
			language, info, _ := strings.Cut(fence, " ")
			run, _ := strings.CutPrefix(info, "run=")
			open = &snippet{heading: heading, language: language, run: run, line: i + 1}
		case found:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(line, "## "):
			heading = line[3:]
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block has no end", page, open.line)
	}
	return all
}

// variablesOf is what the programs of each way are given: none can take
// another way without being noticed.
var variablesOf = map[string][]string{
	"secret":      {"ISSUER", "API", "CLIENT_ID", "CLIENT_SECRET"},
	"key":         {"ISSUER", "API", "CLIENT_ID", "CLIENT_KEY"},
	"certificate": {"ISSUER", "MTLS_API", "CLIENT_ID", "CLIENT_KEY", "CLIENT_CERT"},
	"dpop":        {"ISSUER", "API", "CLIENT_ID", "CLIENT_SECRET"},
}

// authorities are the variables by which programs are told of the demo's authority.
var authorities = []string{"CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"}

func TestEachBlockOfTheClientsPageSaysWhetherItRuns(t *testing.T) {
	marks := slices.Concat([]string{"first", "demo", "no"}, slices.Collect(maps.Keys(variablesOf)))
	seen := map[string]int{}
	for _, b := range snippetsOf(t, clientsPage) {
		if !slices.Contains(marks, b.run) {
			t.Errorf("%s:%d: the block is marked %q: write run= and one of %q, of which no is for what cannot run", clientsPage, b.line, b.run, marks)
		}
		if !slices.Contains([]string{"sh", "go", "js", "python"}, b.language) && b.run != "no" {
			t.Errorf("%s:%d: nobody knows how to run %q", clientsPage, b.line, b.language)
		}
		if other := seen[b.name()]; other != 0 && variablesOf[b.run] != nil {
			t.Errorf("%s:%d: the way is the same as that of line %d", clientsPage, b.line, other)
		}
		seen[b.name()] = b.line
	}
}

// The page's first table is what its programs do.
func TestTheClientsPageHasAProgramForWhatItsTablePromises(t *testing.T) {
	text, err := os.ReadFile(clientsPage)
	if err != nil {
		t.Fatal(err)
	}
	promised, there := map[string]bool{}, map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| \[(.+?)\]\(#.*?\) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|`).FindAllStringSubmatch(string(text), -1) {
		for i, way := range []string{"secret", "key", "certificate", "dpop"} {
			if row[2+i] != "no" {
				promised[row[1]+" "+way] = true
			}
		}
	}
	for _, b := range snippetsOf(t, clientsPage) {
		if variablesOf[b.run] != nil {
			there[b.name()] = true
		}
	}
	if diff := cmp.Diff(promised, there); diff != "" {
		t.Errorf("(-promised +there)\n%s", diff)
	}
	dependencies, err := os.ReadFile("../node/package.json")
	if err != nil {
		t.Fatal(err)
	}
	var tested struct{ Dependencies map[string]string }
	if err := json.Unmarshal(dependencies, &tested); err != nil {
		t.Fatal(err)
	}
	versions := []string{"openid-client " + tested.Dependencies["openid-client"], "oauth4webapi " + tested.Dependencies["oauth4webapi"], "simple-oauth2 " + tested.Dependencies["simple-oauth2"]}
	modules, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`golang\.org/x/oauth2 (\S+)`).FindStringSubmatch(string(modules)); found != nil {
		versions = append(versions, found[1])
	}
	for _, version := range versions {
		if !strings.Contains(string(text), "tested with "+version) {
			t.Errorf("the page does not say %q", "tested with "+version)
		}
	}
}

// Whoever pastes the page's programs into files gets an answer of the API with each.
func TestTheProgramsOfTheClientsPageRunAsTheyAre(t *testing.T) {
	requireNode(t)
	requirePython(t)
	require(t, exists("../node/node_modules/simple-oauth2"), "test/node/node_modules")
	for _, program := range []string{"curl", "jq", "openssl"} {
		require(t, have(program), program)
	}
	s := start(t)
	p := newReader(t, s)
	all := snippetsOf(t, clientsPage)
	commands := p.write(all)
	p.prepare(all)
	for _, b := range all {
		command := commands[b.line]
		if command == nil {
			continue
		}
		t.Run("2.3 2.11 "+b.name(), func(t *testing.T) {
			t.Parallel()
			status, body := p.run(t, b, command)
			if status != "200" || !strings.Contains(body, `"status":"OK"`) {
				t.Errorf("%s:%d: the call was answered %q %q", clientsPage, b.line, status, body)
			}
		})
	}
}

// reader is somebody who tries the page with the demo.
type reader struct {
	t      *testing.T
	site   *site
	folder string
	env    map[string]string // what the shell exports in the end
	bound  api.CreatedCredential
}

func newReader(t *testing.T, s *site) *reader {
	t.Helper()
	p := &reader{t: t, site: s, folder: t.TempDir(), env: map[string]string{}}
	modules, err := filepath.Abs("../node/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(p.folder, "node_modules")); err != nil {
		t.Fatal(err)
	}
	// DPoP is tried by an app that gets no token without it.
	m := s.operator()
	app := s.newApp("bound")
	binding := "dpop"
	if _, err := m.UpdateApp(t.Context(), app.ID, api.AppPatch{Binding: &binding}); err != nil {
		t.Fatal(err)
	}
	if p.bound, err = m.CreateCredential(t.Context(), app.ID, api.NewCredential{}); err != nil {
		t.Fatal(err)
	}
	return p
}

// prepare runs what the page says to do first, in one shell, and keeps what that
// exports. The shell has the lines that the demo prints.
func (p *reader) prepare(all []snippet) {
	p.t.Helper()
	program, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	p.file("bin/sallyport", fmt.Sprintf("#!/bin/sh\n%s=1 exec %q \"$@\"\n", commandLine, program), 0o700)
	var script strings.Builder
	script.WriteString("set -eu\n")
	for _, b := range all {
		if b.run == "first" || b.run == "demo" {
			script.WriteString(b.text)
		}
	}
	names := append([]string{"CLIENT_ID", "CLIENT_SECRET", "ISSUER", "API", "MTLS_API", "CLIENT_KEY", "CLIENT_CERT"}, authorities...)
	script.WriteString("echo; echo exported\n")
	for _, name := range names {
		fmt.Fprintf(&script, "printenv %s\n", name)
	}
	s, e := p.site, p.site.Environments["sandbox"]
	out := p.output(p.t, exec.CommandContext(p.t.Context(), "sh", "-c", script.String()), map[string]string{
		"CA": s.CA, "SANDBOX": e.URL, "CLIENT_ID": e.ClientID, "CLIENT_SECRET": e.ClientSecret,
		"SALLYPORT_URL": s.Operator.URL, "SALLYPORT_CA": s.CA, "SALLYPORT_TOKEN": s.Operator.Token,
	})
	_, exported, _ := strings.Cut(out, "\nexported\n")
	values := strings.Split(strings.TrimSuffix(exported, "\n"), "\n")
	if len(values) != len(names) {
		p.t.Fatalf("the blocks export %q, want %q", values, names)
	}
	for i, name := range names {
		p.env[name] = values[i]
	}
}

// write writes each program into a file of its own, and returns the commands that
// run them, by line. Those in Go are built together.
func (p *reader) write(all []snippet) map[int][]string {
	p.t.Helper()
	commands := map[int][]string{}
	overlay := map[string]string{}
	root, err := filepath.Abs("../..")
	if err != nil {
		p.t.Fatal(err)
	}
	build := []string{"build", "-C", root, "-overlay", filepath.Join(p.folder, "overlay.json"), "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(p.folder, "go") + "/"}
	for _, b := range all {
		if variablesOf[b.run] == nil {
			continue
		}
		name := fmt.Sprintf("line%d", b.line)
		switch b.language {
		case "sh":
			commands[b.line] = []string{"sh", p.file(name+".sh", b.text, 0o600)}
		case "js":
			commands[b.line] = []string{"node", p.file(name+".mjs", b.text, 0o600)}
		case "python":
			commands[b.line] = []string{debianPython, p.file(name+".py", b.text, 0o600)}
		case "go":
			// It is in the module for the compiler alone: nothing is left over there.
			overlay[filepath.Join(root, "test", "e2e", "snippets", name, "main.go")] = p.file(name+".go", b.text, 0o600)
			build = append(build, "./test/e2e/snippets/"+name)
			commands[b.line] = []string{filepath.Join(p.folder, "go", name)}
		}
	}
	p.file("overlay.json", encode(p.t, map[string]any{"Replace": overlay}), 0o600)
	p.file("go/keep", "", 0o600)
	compile := exec.CommandContext(p.t.Context(), "go", build...)
	compile.Env = append(os.Environ(), "CGO_ENABLED=0") // and -trimpath: what the Makefile has compiled is used
	if out, err := compile.CombinedOutput(); err != nil {
		p.t.Fatalf("the programs in Go: %v\n%s", err, out)
	}
	return commands
}

func (p *reader) file(name, text string, mode os.FileMode) string {
	p.t.Helper()
	file := filepath.Join(p.folder, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		p.t.Fatal(err)
	}
	return file
}

// run runs a program with the variables of its way and no others, and returns the
// status and the body that it prints.
func (p *reader) run(t *testing.T, b snippet, command []string) (status, body string) {
	t.Helper()
	env := map[string]string{}
	for _, name := range slices.Concat(variablesOf[b.run], authorities) {
		env[name] = p.env[name]
	}
	if b.run == "dpop" {
		env["CLIENT_ID"], env["CLIENT_SECRET"] = p.bound.ClientID, p.bound.ClientSecret.Reveal()
	}
	out := p.output(t, exec.CommandContext(t.Context(), command[0], command[1:]...), env)
	status = regexp.MustCompile(`(?m)^[1-5]\d\d\b`).FindString(out) // curl says it below the body
	return status, strings.TrimSpace(out)
}

// output runs a command in the reader's folder, and fails if it fails.
func (p *reader) output(t *testing.T, cmd *exec.Cmd, env map[string]string) string {
	t.Helper()
	cmd.Dir = p.folder
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.folder, "PYTHONDONTWRITEBYTECODE=1"}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, complaint.String())
	}
	return string(out)
}

// The page's last table quotes what the program says.
func TestTheClientsPageQuotesWhatExplainSays(t *testing.T) {
	text, err := os.ReadFile(clientsPage)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t)
	e, production := s.Environments["sandbox"], s.Environments["production"]
	key, own := keyOf(t, "ES256"), authority{}.issue(t, nil)
	expired := authority{}.issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	s.addKey(t, e, api.NewCredential{PublicKey: publicPEM(t, key)})
	certified := s.newApp("certified", api.NewCredential{Certificate: pemOf(own)})
	bySecret := func(target, secret string) answer {
		return s.form(target+"/oauth2/token", "grant_type", "client_credentials", "client_id", e.ClientID, "client_secret", secret)
	}
	byKey := func(key crypto.Signer, changes map[string]any) answer {
		return s.assert(e.URL+"/oauth2/token", sign(t, key, "ES256", nil, asserting(e, changes)))
	}
	byCertificate := func(target string, c tls.Certificate) answer {
		return s.post(s.with(c), target+"/oauth2/token", "grant_type", "client_credentials", "client_id", certified.ClientID)
	}
	last := e.ClientSecret[len(e.ClientSecret)-1:]
	mistyped := strings.TrimSuffix(e.ClientSecret, last) + map[bool]string{true: "b", false: "a"}[last == "a"]
	now := time.Now()
	if a := byKey(key, map[string]any{"jti": "once"}); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	refusals := map[string]answer{
		"a secret was mistyped":                         bySecret(e.URL, mistyped),
		"a sandbox secret was sent to production":       bySecret(production.URL, e.ClientSecret),
		"`aud` is the token endpoint":                   byKey(key, map[string]any{"aud": e.URL + "/oauth2/token"}),
		"an assertion was sent twice":                   byKey(key, map[string]any{"jti": "once"}),
		"an assertion was kept, or the clock is behind": byKey(key, map[string]any{"exp": now.Add(-time.Hour).Unix()}),
		"the clock is ahead":                            byKey(key, map[string]any{"iat": now.Add(10 * time.Minute).Unix()}),
		"the key is not registered":                     byKey(keyOf(t, "ES256"), nil),
		"a certificate was shown at the ordinary URL":   byCertificate(e.URL, own),
		"the certificate is not registered":             byCertificate(e.MutualTLS, authority{}.issue(t, nil)),
		"the certificate has expired":                   byCertificate(e.MutualTLS, expired),
	}
	_, table, _ := strings.Cut(string(text), "| what was done | what `explain` says |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	quoted := map[string]bool{}
	for _, row := range strings.Split(table, "\n") {
		done, says, _ := strings.Cut(strings.Trim(row, "| "), " | ")
		a, ok := refusals[done]
		if !ok {
			t.Errorf("nobody tries what the page says: %q", done)
			continue
		}
		quoted[done] = true
		pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(says), "…", ".+") + "$"
		if got := s.why(a); a.status != http.StatusUnauthorized || !regexp.MustCompile(pattern).MatchString(got.Reason) || got.Next == "" {
			t.Errorf("%s: %d, explained as %q, next %q; the page says %q", done, a.status, got.Reason, got.Next, says)
		}
	}
	for done := range refusals {
		if !quoted[done] {
			t.Errorf("the page does not tell: %q", done)
		}
	}
}
