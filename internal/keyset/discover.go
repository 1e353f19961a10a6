package keyset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

// Discover returns the jwks_uri of an issuer, by the document that it publishes as
// OpenID Connect Discovery 1.0 §4 has it, or else as RFC 8414 §3 does. The document
// has to name the issuer as it is named here, letter by letter.
func (s *Sets) Discover(ctx context.Context, issuer string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*maxTime)
	defer cancel()
	var first error
	for _, target := range wellKnown(issuer) {
		uri, err := s.discoverAt(ctx, target, issuer)
		if err == nil {
			s.counts.add(nil)
			return uri, nil
		}
		if first == nil {
			first = fmt.Errorf("%s: %w", target, err)
		}
	}
	s.counts.add(first)
	return "", first
}

// wellKnown lists where an issuer's document may be. The former follows the issuer's
// path, the latter goes before it.
func wellKnown(issuer string) []string {
	scheme, rest, _ := strings.Cut(strings.TrimSuffix(issuer, "/"), "://")
	host, path, _ := strings.Cut(rest, "/")
	if path != "" {
		path = "/" + path
	}
	origin := scheme + "://" + host
	return []string{
		origin + path + "/.well-known/openid-configuration",
		origin + "/.well-known/oauth-authorization-server" + path,
	}
}

func (s *Sets) discoverAt(ctx context.Context, target, issuer string) (string, error) {
	if err := check(target); err != nil {
		return "", err
	}
	text, err := s.document(ctx, target)
	if err != nil {
		return "", public(err)
	}
	var about struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	switch err := strictjson.Unmarshal(text, &about); {
	case err != nil:
		return "", errors.New("it is not the metadata of an issuer")
	case about.Issuer != issuer: // RFC 8414 §3.3
		return "", errors.New("it is the metadata of another issuer: its member issuer is not what is configured here, letter by letter")
	case about.JWKSURI == "":
		return "", errors.New("it has no jwks_uri")
	}
	if err := check(about.JWKSURI); err != nil {
		return "", errors.New("its jwks_uri is not an https URL")
	}
	return about.JWKSURI, nil
}

// document reads what is at target, of a bounded size.
func (s *Sets) document(ctx context.Context, target string) ([]byte, error) {
	res, err := s.get(ctx, target, "application/json", "")
	if err != nil {
		return nil, err
	}
	defer s.release(res)
	if res.StatusCode != http.StatusOK {
		return nil, statusError(res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxSize+1))
	if err == nil && len(text) > maxSize {
		return nil, formError{errors.New("longer than 256 KiB")}
	}
	return text, err
}
