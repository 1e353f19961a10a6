package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Config says where tokens come from and for whom.
type Config struct {
	TokenURL     string // any of Sallyport's token endpoints, or another of RFC 6749
	ClientID     string
	ClientSecret Secret
	PrivateKey   *PrivateKey // in the place of the secret
	Scopes       []string    // empty: all that the client may have
	Resources    []string    // base URLs of the APIs that tokens are for (RFC 8707); empty: all
	// DPoP binds the tokens to a key (RFC 9449); nil: whoever has a token may use it.
	DPoP *DPoPKey
	// ByCertificate lets the client authenticate by the certificate that HTTP's
	// transport shows (RFC 8705), without a secret. TokenURL is then the
	// token_endpoint among the mtls_endpoint_aliases of the server's metadata, and
	// [Transport] needs a Base that shows the same certificate.
	ByCertificate bool
	HTTP          *http.Client // nil: one with a timeout of a minute; redirects are never followed
	Logger        *slog.Logger // warns with each token that the secret will expire soon; nil: silence
}

// Token is an access token.
type Token struct {
	Access  Secret
	Expires time.Time
	Bound   bool   // to the source's DPoP key
	Scope   string // what it is for, as the endpoint said; may be empty
	// CredentialExpires is when the client's secret ends, as the endpoint warns
	// within the last 30 days; zero: it did not. See [TokenSource.Rotate].
	CredentialExpires time.Time
}

// Header returns the value of the Authorization header. Do not print it.
func (t Token) Header() string {
	if t.Bound {
		return "DPoP " + t.Access.Reveal() // beside it goes a proof: see [Transport]
	}
	return "Bearer " + t.Access.Reveal()
}

// TokenError is a refusal by the token endpoint (RFC 6749 §5.2).
type TokenError struct {
	Status      int
	Code        string // such as "invalid_client"; empty if the answer was no OAuth error
	Description string
	TraceID     string // by which the operator, or the app's owner, learns the exact reason
	URI         string // of a page that explains the code
	RetryAfter  time.Duration
}

// Error implements error.
func (e *TokenError) Error() string {
	text := fmt.Sprintf("token endpoint: %d", e.Status)
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Description != "" {
		text += ": " + e.Description
	}
	if e.TraceID != "" {
		text += " (trace " + e.TraceID + ")"
	}
	return text
}

// TokenSource keeps one access token, in memory, and renews it (RFC 6749 §4.4).
// It renews ahead of the token's end by an eighth of its lifetime and at least
// a minute, with one request at a time, while the old token is still handed
// out; and if that fails, it goes on with the old one for as long as it lasts.
// It may be used by many goroutines.
type TokenSource struct {
	config Config // but for the secret, which is below

	mu        sync.Mutex
	secret    Secret
	token     Token
	renewAt   time.Time
	flight    *flight   // the request under way; nil: none
	pausedTo  time.Time // no request before: the last one failed
	lastError error
}

// flight is one request for a token, which any number of callers wait for.
type flight struct {
	done  chan struct{}
	token Token
	err   error
}

const (
	fetchTimeout    = time.Minute
	failurePause    = time.Second     // between requests that fail
	unknownLifetime = 5 * time.Minute // when the endpoint does not say expires_in
	renewFraction   = 8               // an eighth: 12.5 %
	renewAtLeast    = time.Minute
)

// NewTokenSource returns a TokenSource for config. It sends nothing yet.
func NewTokenSource(config Config) (*TokenSource, error) {
	if err := checkURL("TokenURL", config.TokenURL); err != nil {
		return nil, err
	}
	ways := 0
	for _, way := range []bool{config.ClientSecret.Reveal() != "", config.PrivateKey != nil, config.ByCertificate} {
		if way {
			ways++
		}
	}
	switch {
	case config.ClientID == "", ways != 1:
		return nil, errors.New("client: ClientID, and one of ClientSecret, PrivateKey and ByCertificate, are needed")
	case config.ByCertificate && config.HTTP == nil:
		return nil, errors.New("client: ByCertificate needs an HTTP whose transport has the certificate")
	case config.PrivateKey != nil:
		if err := config.PrivateKey.check(); err != nil {
			return nil, err
		}
	}
	config.HTTP = withoutRedirects(config.HTTP)
	return &TokenSource{config: config, secret: config.ClientSecret}, nil
}

// Token returns a token that has not expired. When ctx ends it stops waiting,
// not the request, which others may be waiting for too.
func (s *TokenSource) Token(ctx context.Context) (Token, error) {
	s.mu.Lock()
	moment := now()
	fresh := moment.Before(s.token.Expires)
	due := !fresh || !moment.Before(s.renewAt)
	if due && s.flight == nil {
		if moment.Before(s.pausedTo) {
			token, err := s.token, s.lastError
			s.mu.Unlock()
			if fresh {
				return token, nil
			}
			return Token{}, err
		}
		s.start(ctx)
	}
	token, f := s.token, s.flight
	s.mu.Unlock()
	if fresh {
		return token, nil
	}
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return Token{}, fmt.Errorf("wait for a token: %w", context.Cause(ctx))
	}
}

// Invalidate forgets a token that was refused, unless another has taken its
// place already. The next Token fetches a new one.
func (s *TokenSource) Invalidate(refused Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token.Access.Equal(refused.Access) {
		s.token = Token{}
	}
}

// SetSecret makes requests to come use another secret of the client. The token that
// is held stays good until its end.
func (s *TokenSource) SetSecret(secret Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret, s.pausedTo = secret, time.Time{}
}

// Secret returns the secret that is used.
func (s *TokenSource) Secret() Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.secret
}

// start begins a flight. s.mu is held.
func (s *TokenSource) start(ctx context.Context) {
	f := &flight{done: make(chan struct{})}
	s.flight = f
	// Whoever asked first may leave first: the others still wait.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	go func() {
		defer cancel()
		var renewAt time.Time
		f.token, renewAt, f.err = s.fetch(ctx)
		s.mu.Lock()
		s.flight = nil
		if f.err != nil {
			s.lastError, s.pausedTo = f.err, now().Add(pauseAfter(f.err))
		} else {
			s.token, s.renewAt = f.token, renewAt
		}
		s.mu.Unlock()
		close(f.done)
	}()
}

func pauseAfter(err error) time.Duration {
	var refused *TokenError
	if errors.As(err, &refused) {
		return max(refused.RetryAfter, failurePause)
	}
	return failurePause
}

// fetch requests a token, and once more if the endpoint says when.
func (s *TokenSource) fetch(ctx context.Context) (token Token, renewAt time.Time, err error) {
	for again := true; ; again = false {
		token, renewAt, err = s.request(ctx)
		var refused *TokenError
		if s.config.DPoP != nil && errors.As(err, &refused) && refused.Code == "use_dpop_nonce" {
			token, renewAt, err = s.request(ctx) // with the one that came with it: once is enough
		}
		if !again || !errors.As(err, &refused) || !waitFor(ctx, refused.Status, refused.RetryAfter) {
			return token, renewAt, err
		}
	}
}

func (s *TokenSource) request(ctx context.Context) (token Token, renewAt time.Time, err error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {s.config.ClientID}}
	secret, err := s.authenticate(form)
	if err != nil {
		return token, renewAt, err
	}
	put(form, "scope", strings.Join(s.config.Scopes, " "))
	for _, resource := range s.config.Resources {
		form.Add("resource", resource)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.config.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return token, renewAt, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", jsonType)
	req.Header.Set("User-Agent", userAgent)
	if s.config.DPoP != nil {
		if err := s.config.DPoP.sign(req, ""); err != nil {
			return token, renewAt, err
		}
	}
	began := now() // the token's life is counted from before it began
	resp, err := s.config.HTTP.Do(req)
	if err != nil {
		return token, renewAt, fmt.Errorf("fetch a token: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil {
		return token, renewAt, fmt.Errorf("fetch a token: %w", err)
	}
	if s.config.DPoP != nil {
		s.config.DPoP.take(req.URL, resp)
	}
	if resp.StatusCode != http.StatusOK {
		return token, renewAt, refusalOf(resp, data, secret)
	}
	token, renewAt, err = readToken(data, began, s.config.DPoP != nil)
	if at, headerErr := http.ParseTime(resp.Header.Get("Credential-Expires")); err == nil && headerErr == nil {
		token.CredentialExpires = at
		s.warn(ctx, at)
	}
	return token, renewAt, err
}

// authenticate puts into a request's form what proves who the client is, and
// returns it.
func (s *TokenSource) authenticate(form url.Values) (Secret, error) {
	if s.config.PrivateKey != nil {
		return s.config.PrivateKey.authenticate(form, s.config.ClientID)
	}
	secret := s.Secret()
	put(form, "client_secret", secret.Reveal()) // none: by certificate
	return secret, nil
}

// warn tells that the secret will expire.
func (s *TokenSource) warn(ctx context.Context, at time.Time) {
	if s.config.Logger != nil {
		s.config.Logger.WarnContext(ctx, "the client's credential expires soon: rotate it",
			slog.String("client_id", s.config.ClientID), slog.Time("expires", at))
	}
}

// readToken reads the answer of any dialect; the v1 endpoint names the token
// accessToken.
func readToken(data []byte, began time.Time, bound bool) (token Token, renewAt time.Time, err error) {
	var answer struct {
		Access    string      `json:"access_token"`
		AccessV1  string      `json:"accessToken"`
		Type      string      `json:"token_type"`
		ExpiresIn json.Number `json:"expires_in"`
		Scope     string      `json:"scope"`
	}
	if json.Unmarshal(data, &answer) != nil {
		return token, renewAt, errors.New("fetch a token: the answer is not a token") // and may hold one: it is not repeated
	}
	text := answer.Access
	if text == "" {
		text = answer.AccessV1
	}
	switch isBound := strings.EqualFold(answer.Type, "DPoP"); {
	case text == "", answer.Type != "" && !isBound && !strings.EqualFold(answer.Type, "bearer"), isBound && !bound:
		return token, renewAt, errors.New("fetch a token: the answer holds no bearer token")
	case bound && !isBound: // a server that does not know DPoP (RFC 9449 §5)
		return token, renewAt, errors.New("fetch a token: the endpoint did not bind the token to the DPoP key")
	}
	lifetime := unknownLifetime
	if seconds, err := answer.ExpiresIn.Float64(); err == nil && seconds > 0 && seconds < 1e9 {
		lifetime = time.Duration(seconds * float64(time.Second))
	}
	margin := max(lifetime/renewFraction, renewAtLeast)
	if margin >= lifetime {
		margin = lifetime / 2
	}
	expires := began.Add(lifetime)
	return Token{Access: NewSecret(text), Expires: expires, Bound: bound, Scope: answer.Scope}, expires.Add(-margin), nil
}

// refusalOf reads an error of the endpoint. Should it repeat the secret, that is
// taken out.
func refusalOf(resp *http.Response, data []byte, secret Secret) error {
	var answer struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
		URI         string `json:"error_uri"`
		TraceID     string `json:"trace_id"`
	}
	_ = json.Unmarshal(data, &answer) // then there is only the status
	clean := func(text string) string {
		if secret.Reveal() == "" {
			return text
		}
		return strings.ReplaceAll(text, secret.Reveal(), "[redacted]")
	}
	return &TokenError{
		Status: resp.StatusCode, Code: clean(answer.Code), Description: clean(answer.Description),
		TraceID: clean(answer.TraceID), URI: clean(answer.URI), RetryAfter: retryAfter(resp),
	}
}

// String implements [fmt.Stringer].
func (s *TokenSource) String() string {
	return fmt.Sprintf("token source of %s at %s", s.config.ClientID, s.config.TokenURL)
}

// GoString implements [fmt.GoStringer].
func (s *TokenSource) GoString() string { return s.String() }

// Format implements [fmt.Formatter] for every verb.
func (s *TokenSource) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalJSON implements [json.Marshaler].
func (s *TokenSource) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }
