package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/api"
)

// Error is a refusal by the management API. Problem always has a Status and a
// Detail, also when something in between answered.
type Error struct {
	Method     string
	Path       string
	Problem    api.Problem
	RetryAfter time.Duration // what the answer asked for; 0: nothing
}

// Error implements error.
func (e *Error) Error() string {
	p := e.Problem
	text := p.Detail
	if p.Field != "" {
		text = p.Field + ": " + text
	}
	text = fmt.Sprintf("%s %s: %d: %s", e.Method, e.Path, p.Status, text)
	if len(p.Errors) > 0 {
		text += "\n\t" + strings.Join(p.Errors, "\n\t")
	}
	if p.TraceID != "" {
		text += " (trace " + p.TraceID + ")"
	}
	return text
}

// errorOf reads a refusal.
func errorOf(req *http.Request, resp *http.Response) *Error {
	e := &Error{Method: req.Method, Path: req.URL.EscapedPath(), RetryAfter: retryAfter(resp)}
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil || mediaType != "application/problem+json" || json.Unmarshal(data, &e.Problem) != nil {
		e.Problem = api.Problem{Title: http.StatusText(resp.StatusCode)}
	}
	e.Problem.Status = resp.StatusCode
	if e.Problem.Detail == "" {
		e.Problem.Detail = "the answer was not the management API's: " + resp.Status
	}
	return e
}

// retryAfter reads Retry-After (RFC 9110 §10.2.3): seconds, or a date against
// the answer's own Date.
func retryAfter(resp *http.Response) time.Duration {
	text := resp.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), 1<<30)) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	from, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0
	}
	return max(until.Sub(from), 0)
}

// waitFor waits for as long as an answer of that status asked for, and reports
// whether the request should be sent again.
func waitFor(ctx context.Context, status int, pause time.Duration) bool {
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return false
	}
	if pause <= 0 || pause > longestPause {
		return false
	}
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(now().Add(pause)) {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// repeatable reports whether a method is idempotent (RFC 9110 §9.2.2).
func repeatable(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// now is the time. An SDK has no program that would hand it a clock.
func now() time.Time { return time.Now() } //nolint:forbidigo // see above

// checkURL holds a URL that secrets are sent to to https, or this machine.
func checkURL(name, text string) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return fmt.Errorf("client: %s is empty", name)
	case err != nil || u.Host == "" || u.User != nil:
		return fmt.Errorf("client: %s is not a URL such as https://example.com", name)
	case u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return errPlain
}

// errPlain is what sending a secret in the clear ends in.
var errPlain = errors.New("client: the URL must begin with https://: plain http is for this machine only")

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
