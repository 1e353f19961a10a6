package server

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/gateway"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// explain says what would become of a call: the gateway of its environment is
// asked.
func (s *Server) explain(ctx context.Context, c api.Call) (api.Explanation, error) {
	u, err := url.ParseRequestURI(c.URL)
	if err != nil || u.Scheme != "" && u.Host == "" {
		return api.Explanation{}, market.Invalid("url", "must be a URL, such as https://sandbox.example.com/claims/v3, or a path")
	}
	asker, err := s.asker(ctx, &c)
	if err != nil {
		return api.Explanation{}, err
	}
	e, err := s.environmentOf(u, c.Environment)
	if err != nil {
		return api.Explanation{}, err
	}
	r, err := http.NewRequestWithContext(ctx, strings.ToUpper(c.Method), "/", strings.NewReader(c.Body))
	if err != nil {
		return api.Explanation{}, market.Invalid("method", "must be a method of HTTP, such as GET or POST")
	}
	// As a listener reads it: what begins with // is a path there, and no host.
	r.URL = &url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}
	r.Host = u.Host
	for _, line := range c.Headers {
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return api.Explanation{}, market.Invalid("headers", "must be lines such as Content-Type: application/json")
		}
		r.Header.Add(name, strings.TrimSpace(value))
	}
	if c.Token != nil {
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(c.Token.Reveal()))
	}
	if c.Body != "" && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if asker != nil && (len(r.Header["Authorization"]) > 0 || len(r.Header["Ima-Token"]) > 0) {
		return api.Explanation{}, market.Invalid("headers", "hold a token, and the call is asked about as of an app: give one of them")
	}
	v := e.gateway.Explain(r, asker)
	out := api.Explanation{
		Environment: string(e.name), Allowed: v.Status == 0, Source: v.Source, Status: int64(v.Status), Code: v.Code,
		Detail: v.Detail, Next: v.Next, Steps: []api.ExplanationStep{},
	}
	for _, step := range v.Steps {
		out.Steps = append(out.Steps, api.ExplanationStep{Stage: step.Stage, Says: step.Says})
	}
	return out, nil
}

// asker returns the client that a call is asked about as of, nil if none is named. The
// environment is its own, if nothing else says which.
func (s *Server) asker(ctx context.Context, c *api.Call) (*gateway.Asker, error) {
	clientID := c.ClientID
	switch {
	case c.App == "" && clientID == "":
		return nil, nil //nolint:nilnil // the token says who calls, if there is one
	case c.Token != nil:
		return nil, market.Invalid("token", "says who calls, as app and client_id do: give one of them")
	case c.App != "" && clientID != "":
		return nil, market.Invalid("client_id", "says who calls, as app does: give one of them")
	case c.App != "":
		err := s.Market.Store.View(ctx, func(read market.Reader) error {
			app, err := read.App(id.App(c.App))
			clientID = app.ClientID
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	client, ok := s.model.ByClientID(clientID)
	if !ok {
		return nil, market.Missing("app with the client_id", clientID)
	}
	for _, e := range s.environments {
		if e.name != client.App.Environment {
			continue
		}
		if u, err := url.Parse(c.URL); c.Environment == "" && err == nil && u.Host == "" {
			c.Environment = string(e.name)
		}
		f := e.auth.Foresee(client)
		a := &gateway.Asker{Client: client, Principal: f.Principal}
		if f.Principal == nil {
			a.Refusal = gateway.Verdict{
				Steps: []gateway.Step{{Stage: "token", Says: f.Reason}}, Status: f.Status, Code: f.Code, Detail: f.Detail, Reason: f.Reason, Next: f.Next,
			}
			return a, nil
		}
		for cred := range client.App.Credentials() { // as the gateway looks it up by a token
			if string(cred.ID) == f.Principal.Credential {
				a.Client.Credential = cred
			}
		}
		return a, nil
	}
	return nil, market.Invalid("app", "is of the environment %s, which the configuration does not have", client.App.Environment)
}

// environmentOf returns the environment that a URL is of, by its host, or the one
// that is named.
func (s *Server) environmentOf(u *url.URL, name string) (*environment, error) {
	names := make([]string, len(s.environments))
	for i, e := range s.environments {
		names[i] = string(e.name)
		base, err := url.Parse(e.listener.url)
		if name == names[i] || name == "" && err == nil && u.Host != "" && strings.EqualFold(base.Host, u.Host) {
			return e, nil
		}
	}
	if name == "" {
		return nil, market.Invalid("environment", "is missing, and the URL does not tell it by its host; there are: %s", strings.Join(names, ", "))
	}
	return nil, market.Invalid("environment", "there is no environment %q; there are: %s", name, strings.Join(names, ", "))
}
