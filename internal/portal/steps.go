package portal

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/openapi"
)

// stepsView is the way from nothing to a first answer, in commands that can be
// pasted into a shell.
type stepsView struct {
	Environment string
	Lifetime    string // of the token of the second step
	Token       string // command
	Call        string // command; empty: no API can be called without more
	API         apiCard
	Operation   string
	Mock        bool // the answer is mock data
	LocalCA     bool // $CA has to name the local CA's certificate
}

// steps are the first steps, in the sandbox if there is one. It returns nil if
// the environment has no token endpoint.
func (p *Portal) steps() *stepsView {
	env := p.Environments[0]
	for _, e := range p.Environments {
		if e.Name == string(market.Sandbox) {
			env = e
		}
	}
	endpoint, ok := preferred(env.TokenURLs)
	if !ok {
		return nil
	}
	view := &stepsView{
		Environment: env.Name, Lifetime: duration(endpoint.Lifetime), Token: p.tokenCommand(endpoint.URL), LocalCA: p.LocalCA,
		Mock: env.Name == string(market.Sandbox),
	}
	for _, api := range p.catalog().APIs {
		if op, body := firstCall(api); op != nil {
			view.API = apiCard{Name: api.Name, Title: api.Title}
			view.Operation = op.Summary
			view.Call = p.callCommand(env.BaseURL+api.BasePath+op.Template, op.Method, body, view.Mock)
			break
		}
	}
	return view
}

// preferred returns the endpoint that a new client should use.
func preferred(urls []TokenURL) (TokenURL, bool) {
	for _, dialect := range []string{"rfc", "v3", "v2"} {
		if i := slices.IndexFunc(urls, func(t TokenURL) bool { return t.Dialect == dialect }); i >= 0 {
			return urls[i], true
		}
	}
	if len(urls) == 0 {
		return TokenURL{}, false
	}
	return urls[0], true
}

// firstCall returns an operation that can be called with nothing but a token
// and the example of its own document.
func firstCall(api *manifest.API) (*openapi.Operation, []byte) {
	if api.Document == nil || api.Request.Submitter != nil {
		return nil, nil
	}
	for _, op := range api.Document.Operations {
		if op.Deprecated || op.Body == nil || strings.Contains(op.Template, "{") {
			continue
		}
		for _, e := range op.Body.Examples {
			if e.MediaType == "application/json" {
				return op, e.Value
			}
		}
	}
	return nil, nil
}

// curl begins a command.
func (p *Portal) curl() string {
	if p.LocalCA {
		return `curl -sS --cacert "$CA" `
	}
	return "curl -sS "
}

// tokenCommand asks for a token by HTTP Basic: curl hides what it is given so
// from the list of processes.
func (p *Portal) tokenCommand(url string) string {
	return p.curl() + quoted(url) + " \\\n" +
		"  -u \"$CLIENT_ID:$CLIENT_SECRET\" \\\n" +
		"  -d grant_type=client_credentials"
}

// callCommand calls an operation, for mock data if that is asked for: a caller
// who is subscribed would else send an example to a live system.
func (p *Portal) callCommand(url, method string, body []byte, mock bool) string {
	lines := []string{p.curl() + quoted(url)}
	if method != http.MethodPost {
		lines[0] = p.curl() + "-X " + method + " " + quoted(url)
	}
	lines = append(lines, `-H "Authorization: Bearer $ACCESS_TOKEN"`, "-H 'Content-Type: application/json'")
	if mock {
		lines = append(lines, "-H 'environment: sandbox'")
	}
	lines = append(lines, "-d "+quoted(indented(body)))
	return strings.Join(lines, " \\\n  ")
}

// quoted makes s one word of a POSIX shell.
func quoted(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// indented lays JSON out for people; anything else stays as it is.
func indented(data []byte) string {
	var buf bytes.Buffer
	if err := json.Indent(&buf, data, "", "  "); err != nil {
		return string(data)
	}
	return buf.String()
}
