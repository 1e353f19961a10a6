package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Transport puts an access token on every request; one that is bound to a DPoP key
// with a proof for that very request. It is made once and used by many goroutines.
//
// On 401 it fetches a new token and tries once more; on 429 or 503 with
// Retry-After it waits and tries once more, if the method is idempotent. It
// tries again only if the body can be sent again: there is none, or the request
// has GetBody, as http.NewRequest sets it for bytes and strings.
//
// The token goes to where the program sends its request, and not to another
// host that an answer redirects to.
type Transport struct {
	Source *TokenSource
	Base   http.RoundTripper // nil: http.DefaultTransport
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.check(req); err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // as RoundTripper asks for
		}
		return nil, err
	}
	token, err := t.Source.Token(req.Context())
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	resp, err := t.send(req, token)
	if err != nil || !replayable(req) {
		return resp, err
	}
	if token.Bound && asksForNonce(resp) { // and send has kept the one that came with it
		if resp, err = t.again(req, resp, token); err != nil {
			return nil, err
		}
	}
	if resp.StatusCode == http.StatusUnauthorized {
		t.Source.Invalidate(token)
		fresh, err := t.Source.Token(req.Context())
		if err != nil || fresh.Access.Equal(token.Access) {
			return resp, nil //nolint:nilerr // the refusal tells more than that there is no other token
		}
		token = fresh
		if resp, err = t.again(req, resp, token); err != nil {
			return nil, err
		}
	}
	if repeatable(req.Method) && waitFor(req.Context(), resp.StatusCode, retryAfter(resp)) {
		return t.again(req, resp, token)
	}
	return resp, nil
}

// check refuses to send a token where it could be read, or where it was not
// meant to go.
func (t *Transport) check(req *http.Request) error {
	if t.Source == nil {
		return errors.New("client: Transport has no Source")
	}
	if req.URL == nil {
		return errors.New("client: the request has no URL")
	}
	if req.URL.Scheme != "https" && !loopback(req.URL.Hostname()) {
		return errPlain
	}
	// Response is set on requests that the http.Client makes to follow a redirect.
	if req.Response != nil && req.Response.Request != nil && req.Response.Request.URL.Host != req.URL.Host {
		return fmt.Errorf("client: the token is for %s and does not follow a redirect to %s",
			req.Response.Request.URL.Host, req.URL.Host)
	}
	return nil
}

// again lets go of an answer and sends its request once more.
func (t *Transport) again(req *http.Request, resp *http.Response, token Token) (*http.Response, error) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	_ = resp.Body.Close()
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, fmt.Errorf("send the body again: %w", err)
		}
		req = req.Clone(req.Context())
		req.Body = body
	}
	return t.send(req, token)
}

// send sends a copy of req, which is the caller's, with the token.
func (t *Transport) send(req *http.Request, token Token) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", token.Header())
	key := t.Source.config.DPoP
	if token.Bound {
		if err := key.sign(req, token.Access.Reveal()); err != nil {
			if req.Body != nil {
				_ = req.Body.Close()
			}
			return nil, err
		}
	}
	base := t.Base
	if base == nil {
		base = http.DefaultTransport //nolint:forbidigo // what a nil RoundTripper means everywhere
	}
	resp, err := base.RoundTrip(req)
	if err == nil && token.Bound {
		key.take(req.URL, resp)
	}
	return resp, err
}

func replayable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}
