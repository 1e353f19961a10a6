package server

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// explain says what would become of a call: the gateway of its environment is
// asked.
func (s *Server) explain(ctx context.Context, c api.Call) (api.Explanation, error) {
	u, err := url.ParseRequestURI(c.URL)
	if err != nil || u.Scheme != "" && u.Host == "" {
		return api.Explanation{}, market.Invalid("url", "must be a URL, such as https://sandbox.example.com/claims/v3, or a path")
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
	v := e.gateway.Explain(r)
	out := api.Explanation{
		Environment: string(e.name), Allowed: v.Status == 0, Source: v.Source, Status: int64(v.Status), Code: v.Code,
		Detail: v.Detail, Next: v.Next, Steps: []api.ExplanationStep{},
	}
	for _, step := range v.Steps {
		out.Steps = append(out.Steps, api.ExplanationStep{Stage: step.Stage, Says: step.Says})
	}
	return out, nil
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
