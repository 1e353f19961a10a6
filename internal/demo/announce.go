package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/catalog"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// ready is the file that scripts wait for. It holds secrets: mode 0600.
type ready struct {
	PID          int                         `json:"pid"`
	CA           string                      `json:"ca"`
	Log          string                      `json:"log"`
	Data         string                      `json:"data"`
	Portal       string                      `json:"portal"`
	Operator     readyOperator               `json:"operator"`
	Client       clientFiles                 `json:"client"` // for mutual TLS
	Environments map[string]readyEnvironment `json:"environments"`
}

type readyOperator struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

type readyEnvironment struct {
	URL          string              `json:"url"`
	MutualTLS    string              `json:"mtls_url"`
	Issuer       string              `json:"issuer"`
	TokenURLs    map[string]string   `json:"token_urls"`     // one by dialect
	AllTokenURLs map[string][]string `json:"all_token_urls"` // all of them
	ClientID     string              `json:"client_id"`
	ClientSecret string              `json:"client_secret"`
	Organization string              `json:"organization"`
	Calls        []readyCall         `json:"calls"`
	// Newcomer is an app of an organization without a contract: mock data.
	Newcomer *readyAccess `json:"newcomer,omitempty"`
}

type readyAccess struct {
	Organization string `json:"organization"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
}

type readyCall struct {
	API     string            `json:"api"`
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// announce tells people and scripts that everything is up, and how to use it.
func (o Options) announce(s *server.Server, w *world, log string) error {
	info := s.Info()
	r := ready{
		PID: os.Getpid(), CA: info.CA, Log: log, Data: o.Data, Portal: info.Portal,
		Client:       o.clientFiles(),
		Operator:     readyOperator{URL: info.Management, Token: w.operator.Reveal()},
		Environments: map[string]readyEnvironment{},
	}
	for _, e := range info.Environments {
		who := w.sandbox
		if e.Name == "production" {
			who = w.production
		}
		env := readyEnvironment{
			URL: e.URL, MutualTLS: e.MutualTLS, Issuer: e.Issuer, TokenURLs: map[string]string{}, AllTokenURLs: map[string][]string{},
			ClientID: who.clientID, ClientSecret: who.secret.Reveal(), Organization: who.organization,
		}
		for _, t := range e.TokenURLs {
			env.TokenURLs[t.Dialect] = t.URL // the last of a dialect: S002's and S003's for v3
			env.AllTokenURLs[t.Dialect] = append(env.AllTokenURLs[t.Dialect], t.URL)
		}
		for _, c := range catalog.Calls(submitter, hostID, tin) {
			env.Calls = append(env.Calls, readyCall{API: c.API, Method: c.Method, URL: e.URL + c.Path, Headers: c.Headers, Body: c.Body})
		}
		if e.Name == "sandbox" {
			env.Newcomer = &readyAccess{w.newcomer.organization, w.newcomer.clientID, w.newcomer.secret.Reveal()}
		}
		r.Environments[e.Name] = env
	}
	if _, err := fmt.Fprint(o.Stdout, o.welcome(r)); err != nil {
		return fmt.Errorf("print the welcome: %w", err)
	}
	if o.Ready == "" {
		return nil
	}
	return writeReady(o.Ready, r)
}

// writeReady writes the file whole or not at all: who sees it may read it.
func writeReady(file string, r ready) error {
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".ready-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write the ready file: %w", err)
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	_, err = tmp.Write(append(body, '\n'))
	if err := errors.Join(err, tmp.Close()); err != nil {
		return fmt.Errorf("write the ready file: %w", err)
	}
	if err := os.Rename(tmp.Name(), file); err != nil {
		return fmt.Errorf("write the ready file: %w", err)
	}
	return nil
}

// welcome is what a newcomer reads: what is where, and lines to paste.
func (o Options) welcome(r ready) string {
	sandbox, production := r.Environments["sandbox"], r.Environments["production"]
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Sallyport is up. Stop it with Ctrl-C; start it again and everything is still there.")
	line("")
	line("  Portal          %s", r.Portal)
	line("  Sandbox         %s", sandbox.URL)
	line("  Production      %s", production.URL)
	line("  Mutual TLS      %s (sandbox), %s (production)", sandbox.MutualTLS, production.MutualTLS)
	line("  Management API  %s", r.Operator.URL)
	line("  CA certificate  %s", r.CA)
	line("  Data, log       %s", r.Data)
	line("")
	line("Client libraries need the issuer alone, which is the environment's URL: docs/clients.md.")
	line("")
	line("Secrets are shown only now; each start makes new ones. CLIENT_… is %s in the", sandbox.Organization)
	line("sandbox, PROD_… the same in production, NEW_… %s: sandbox only, no contract.", sandbox.Newcomer.Organization)
	line("For your shell:")
	line("")
	line("  export CA=%s", shellWord(r.CA))
	line("  export SANDBOX=%s PRODUCTION=%s", sandbox.URL, production.URL)
	line("  export CLIENT_ID=%s CLIENT_SECRET=%s", sandbox.ClientID, sandbox.ClientSecret)
	line("  export PROD_CLIENT_ID=%s PROD_CLIENT_SECRET=%s", production.ClientID, production.ClientSecret)
	line("  export NEW_CLIENT_ID=%s NEW_CLIENT_SECRET=%s", sandbox.Newcomer.ClientID, sandbox.Newcomer.ClientSecret)
	line("  export SALLYPORT_URL=%s SALLYPORT_CA=$CA SALLYPORT_TOKEN=%s", r.Operator.URL, r.Operator.Token)
	line("")
	line("Lines to paste, as they are:")
	line("")
	// They hold the values themselves, so that each works alone.
	values := strings.NewReplacer("$CA", shellWord(r.CA), "$SANDBOX", sandbox.URL, "$CLIENT_ID", sandbox.ClientID, "$CLIENT_SECRET", sandbox.ClientSecret)
	call := sandbox.Calls[0]
	b.WriteString(values.Replace(linesToPaste))
	line("  curl -i --cacert %s -X %s %s \\", shellWord(r.CA), call.Method, call.URL)
	line("    -H \"Authorization: Bearer $TOKEN\" \\")
	for _, name := range sortedKeys(call.Headers) {
		line("    -H '%s: %s' \\", name, call.Headers[name])
	}
	line("    -d '%s'", call.Body)
	line("")
	line("5. A token by a client certificate, and bound to it:")
	line("")
	line("  curl --cacert %s --cert %s --key %s \\", shellWord(r.CA), shellWord(r.Client.Certificate), shellWord(r.Client.Key))
	line("    %s/oauth2/token -d grant_type=client_credentials -d client_id=%s", sandbox.MutualTLS, sandbox.ClientID)
	line("")
	line("6. Run the marketplace, with the lines for your shell above:")
	line("")
	line("  %s org list", o.Command)
	line("  %s status", o.Command)
	line("")
	return b.String()
}

// linesToPaste get a token in each of the ways that the published guides show,
// and keep one for the call that follows.
const linesToPaste = `1. A token, as Security and Authorization v3 asks for it:

  curl --cacert $CA --request POST \
    --url $SANDBOX/auth/sntl/v1/token \
    --header 'accept: application/json' \
    --header 'content-type: application/x-www-form-urlencoded' \
    --data grant_type=client_credentials \
    --data client_id=$CLIENT_ID \
    --data client_secret=$CLIENT_SECRET

2. As the pharmacy Submitter API asks for it:

  curl --cacert $CA --request POST \
    --url $SANDBOX/apip/auth/sntl/v1/token \
    --header 'accept: application/json' \
    --header 'content-type: application/x-www-form-urlencoded' \
    --data "client_id=$CLIENT_ID" \
    --data "client_secret=$CLIENT_SECRET" \
    --data 'grant_type=client_credentials'

3. As JSON:

  curl --cacert $CA -X POST \
    "$SANDBOX/apip/auth/sntl/v1/token" \
    -H 'Content-Type: application/json' \
    -d '{
      "client_id": "$CLIENT_ID",
      "client_secret": "$CLIENT_SECRET",
      "grant_type": "client_credentials"
    }'

4. A call with it. Add -H 'environment: sandbox' for mock data; the answer's header says which it was:

  TOKEN=$(curl -s --cacert $CA $SANDBOX/oauth2/token -u $CLIENT_ID:$CLIENT_SECRET \
    -d grant_type=client_credentials | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
`

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// shellWord writes s as one word of a shell command.
func shellWord(s string) string {
	plain := func(c rune) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("/._-+:@%", c)
	}
	if s != "" && strings.IndexFunc(s, func(c rune) bool { return !plain(c) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
