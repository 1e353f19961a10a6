package client

import (
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

// Secrets looks after a client's own credentials, as the client: it needs no
// operator. The environment may have that switched off; it is a [*TokenError] then,
// with status 404. It authenticates by one of ClientSecret, PrivateKey and
// ByCertificate.
type Secrets struct {
	TokenURL     string // a token endpoint of the environment: the credentials are at the same host
	ClientID     string
	ClientSecret Secret
	PrivateKey   *PrivateKey
	// ByCertificate is for a client whose HTTP shows a certificate. TokenURL is then what
	// [DiscoverMutualTLS] returns.
	ByCertificate bool
	HTTP          *http.Client // nil: one with a timeout of a minute; redirects are never followed
}

// List returns the client's credentials, oldest first, without their secrets.
func (s *Secrets) List(ctx context.Context) ([]api.Credential, error) {
	var out api.List[api.Credential]
	if err := s.post(ctx, "/oauth2/credentials", url.Values{}, &out); err != nil {
		return nil, err
	}
	return out.Items, nil
}

// Rotate returns a secret in the place of the one that s has, or of the credential
// of the client's that is named, if that is not empty: by key or certificate one has to
// be named. Without an end the new one gets the latest that the client may have, which
// is in the answer. The old one goes on working
// for the overlap, so a rotation whose answer was lost may be repeated: it makes
// another, and the one that nobody got to know stays unused. Keep the answer
// before anything else is done.
func (s *Secrets) Rotate(ctx context.Context, credential string, in api.CredentialRotation) (api.RotatedCredential, error) {
	form := url.Values{}
	put(form, "credential", credential)
	put(form, "label", in.Label)
	if !in.Expires.IsZero() {
		form.Set("expires", in.Expires.UTC().Format(time.RFC3339))
	}
	if in.Overlap != nil {
		form.Set("overlap_seconds", strconv.FormatInt(int64(*in.Overlap), 10))
	}
	if in.Force {
		form.Set("force", "true")
	}
	var out api.RotatedCredential
	if err := s.post(ctx, "/oauth2/credentials/rotate", form, &out); err != nil {
		return out, err
	}
	if out.ClientSecret.Reveal() == "" {
		return out, errors.New("rotate the secret: the answer holds none")
	}
	return out, nil
}

// Rotate rotates the secret that s uses, and uses the new one from then on. See
// [Secrets.Rotate].
func (s *TokenSource) Rotate(ctx context.Context, in api.CredentialRotation) (api.RotatedCredential, error) {
	if s.config.PrivateKey != nil || s.config.ByCertificate {
		return api.RotatedCredential{}, errors.New("client: it authenticates without a secret, and has none to rotate: let the operator add the next key or certificate")
	}
	own := Secrets{TokenURL: s.config.TokenURL, ClientID: s.config.ClientID, ClientSecret: s.Secret(), HTTP: s.config.HTTP}
	out, err := own.Rotate(ctx, "", in)
	if err == nil {
		s.SetSecret(out.ClientSecret)
	}
	return out, err
}

func (s *Secrets) post(ctx context.Context, path string, form url.Values, into any) error {
	if err := checkURL("TokenURL", s.TokenURL); err != nil {
		return err
	}
	u, err := url.Parse(s.TokenURL)
	if err != nil {
		return errors.New("client: TokenURL is not a URL")
	}
	form.Set("client_id", s.ClientID)
	proof, err := s.authenticate(form)
	if err != nil {
		return err
	}
	target := url.URL{Scheme: u.Scheme, Host: u.Host, Path: path}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", jsonType)
	req.Header.Set("User-Agent", userAgent)
	resp, err := withoutRedirects(s.HTTP).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s: read the answer: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return refusalOf(resp, data, proof)
	}
	if json.Unmarshal(data, into) != nil {
		return fmt.Errorf("%s: the answer is not the JSON that this client knows", path) // and may hold a secret
	}
	return nil
}

// authenticate puts into a request's form what proves who the client is, and returns
// it.
func (s *Secrets) authenticate(form url.Values) (Secret, error) {
	bySecret := s.ClientSecret.Reveal() != ""
	switch {
	case s.PrivateKey != nil && !bySecret && !s.ByCertificate:
		if err := s.PrivateKey.check(); err != nil {
			return Secret{}, err
		}
		return s.PrivateKey.authenticate(form, s.ClientID)
	case s.ByCertificate && !bySecret && s.PrivateKey == nil:
		if s.HTTP == nil {
			return Secret{}, errors.New("client: ByCertificate needs an HTTP whose transport has the certificate")
		}
		return Secret{}, nil
	case !bySecret || s.PrivateKey != nil || s.ByCertificate:
		return Secret{}, errors.New("client: one of ClientSecret, PrivateKey and ByCertificate is needed")
	}
	form.Set("client_secret", s.ClientSecret.Reveal())
	return s.ClientSecret, nil
}

// Discover returns the token endpoint of an issuer, as its metadata say (RFC 8414).
func Discover(ctx context.Context, issuer string, hc *http.Client) (tokenURL string, err error) {
	m, err := discover(ctx, issuer, hc)
	if err != nil {
		return "", err
	}
	return m.TokenURL, checkURL("token_endpoint", m.TokenURL)
}

// DiscoverMutualTLS returns the token endpoint of an issuer for clients that authenticate
// by certificate: the one among its mtls_endpoint_aliases (RFC 8705 §5).
func DiscoverMutualTLS(ctx context.Context, issuer string, hc *http.Client) (tokenURL string, err error) {
	m, err := discover(ctx, issuer, hc)
	if err != nil {
		return "", err
	}
	if m.Aliases.TokenURL == "" {
		return "", errors.New("client: " + issuer + " takes no certificates: its metadata have no mtls_endpoint_aliases")
	}
	return m.Aliases.TokenURL, checkURL("token_endpoint", m.Aliases.TokenURL)
}

// metadata is what is needed of an authorization server's.
type metadata struct {
	Issuer   string `json:"issuer"`
	TokenURL string `json:"token_endpoint"`
	Aliases  struct {
		TokenURL string `json:"token_endpoint"`
	} `json:"mtls_endpoint_aliases"`
}

func discover(ctx context.Context, issuer string, hc *http.Client) (m metadata, err error) {
	if err := checkURL("Issuer", issuer); err != nil {
		return m, err
	}
	u, err := url.Parse(issuer)
	if err != nil {
		return m, errors.New("client: Issuer is not a URL")
	}
	target := url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/.well-known/oauth-authorization-server" + strings.TrimSuffix(u.Path, "/")} // RFC 8414 §3.1
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return m, err
	}
	resp, err := withoutRedirects(hc).Do(req)
	if err != nil {
		return m, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(resp.Body, maxProblem)).Decode(&m) != nil {
		return m, fmt.Errorf("%s: no metadata of an authorization server: %s", target.String(), resp.Status)
	}
	if m.Issuer != strings.TrimSuffix(issuer, "/") { // RFC 8414 §3.3
		return m, fmt.Errorf("%s: the metadata are those of another issuer", target.String())
	}
	return m, nil
}
