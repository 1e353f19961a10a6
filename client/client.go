// Package client is Sallyport's Go SDK, for two kinds of program.
//
// A program that calls APIs through the gateway holds a client id and a client
// secret. [NewTokenSource] fetches its token, keeps it, and renews it ahead of
// its end; [Transport] puts it on requests:
//
//	source, err := client.NewTokenSource(client.Config{
//		TokenURL:     "https://sandbox.example.com/oauth2/token",
//		ClientID:     id,
//		ClientSecret: client.NewSecret(secret),
//	})
//	http := &http.Client{Transport: &client.Transport{Source: source}}
//
// Its tokens can be of no use to whoever steals them: bound to a key of this process,
// by [Config.DPoP] and [NewDPoPKey]; or to a client certificate, by
// [Config.ByCertificate] and an HTTP whose transport has it.
//
// Better than a secret is a key that never leaves the program ([PrivateKey],
// private_key_jwt): give Config a PrivateKey in the place of the ClientSecret.
//
// A program that runs a Sallyport holds an operator token. [Management] has a
// method for each operation of the management API, in the types of package api;
// a refusal is an [*Error], which carries the API's problem document:
//
//	var refused *client.Error
//	if errors.As(err, &refused) && refused.Problem.Code == api.CodeConflict { … }
//
// # Secrets
//
// Read the secret from a file or a secret store, not from an argument, and make
// a [Secret] of it at once: whatever prints, logs or encodes one writes
// "[redacted]". Tokens and secrets stay in memory, are never in an error or a
// URL, follow no redirect, and go over plain HTTP only to this very machine.
//
// # Waiting
//
// A 429 or 503 with Retry-After is waited for once, up to half a minute, if
// the request may be repeated; everything else is the caller's to decide. All
// calls end with their context.
//
// # Compatibility
//
// Within a major version, exported names keep their meaning; types gain fields.
// The package needs the standard library and package api, nothing else.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/api"
)

// Secret is a secret text that cannot be printed; see [api.Secret].
type Secret = api.Secret

// NewSecret returns text as a secret.
func NewSecret(text string) Secret { return api.NewSecret(text) }

const (
	userAgent    = "sallyport-go/1"
	maxAnswer    = 64 << 20 // of an answer that is asked for
	maxProblem   = 1 << 20  // of a refusal
	jsonType     = "application/json"
	ownTimeout   = time.Minute // when the caller brings no http.Client
	longestPause = 30 * time.Second
)

// Management calls the management API. It may be used by many goroutines.
type Management struct {
	BaseURL string       // "https://host:port", without a path
	Token   Secret       // an operator token
	HTTP    *http.Client // nil: one with a timeout of a minute; redirects are never followed
}

// All returns every item of a list, page by page:
//
//	orgs, err := client.All(func(page api.Page) (api.List[api.Organization], error) {
//		return m.Organizations(ctx, page)
//	})
func All[T any](list func(api.Page) (api.List[T], error)) ([]T, error) {
	page := api.Page{Limit: 1000}
	all := []T{}
	for {
		part, err := list(page)
		if err != nil {
			return nil, err
		}
		all = append(all, part.Items...)
		if part.Next == "" || part.Next == page.After {
			return all, nil
		}
		page.After = part.Next
	}
}

// call sends one request and reads its answer as a T.
func call[T any](ctx context.Context, m *Management, method, path string, query url.Values, body any) (out T, err error) {
	data, err := m.send(ctx, method, path, query, body)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, fmt.Errorf("%s %s: the answer is not the JSON that this client knows: %w", method, path, err)
	}
	return out, nil
}

// send sends one request, waits and repeats it once if it may, and returns the
// answer's body.
func (m *Management) send(ctx context.Context, method, path string, query url.Values, body any) ([]byte, error) {
	if err := checkURL("BaseURL", m.BaseURL); err != nil {
		return nil, err
	}
	var payload []byte
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	target := strings.TrimRight(m.BaseURL, "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	for again := true; ; again = false {
		data, err := m.once(ctx, method, target, payload)
		var refused *Error
		if !errors.As(err, &refused) || !again || !repeatable(method) || !waitFor(ctx, refused.Problem.Status, refused.RetryAfter) {
			return data, err
		}
	}
}

func (m *Management) once(ctx context.Context, method, target string, payload []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+m.Token.Reveal())
	req.Header.Set("Accept", jsonType)
	req.Header.Set("User-Agent", userAgent)
	if payload != nil {
		req.Header.Set("Content-Type", jsonType)
	}
	resp, err := withoutRedirects(m.HTTP).Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, errorOf(req, resp)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("%s %s: read the answer: %w", method, req.URL.Path, err)
	}
	if len(data) > maxAnswer {
		return nil, fmt.Errorf("%s %s: the answer is larger than %d MiB", method, req.URL.Path, maxAnswer>>20)
	}
	return data, nil
}

// withoutRedirects returns a client like given that follows none: a token or a
// secret would go to wherever the answer points.
func withoutRedirects(given *http.Client) *http.Client {
	c := http.Client{Timeout: ownTimeout}
	if given != nil {
		c = *given
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// pageQuery returns the parameters of a page.
func pageQuery(page api.Page) url.Values {
	q := url.Values{}
	put(q, "after", page.After)
	putLimit(q, page.Limit)
	return q
}

func put(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

func putLimit(q url.Values, limit int) {
	if limit != 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
}

// segment escapes one segment of a path; dots alone would be taken for a way up.
func segment(s string) string {
	if s == "." || s == ".." {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	return url.PathEscape(s)
}
