package authserver

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/oauth"
)

// metadata is the server's description (RFC 8414 §2). It says only what is so.
type metadata struct {
	Issuer                string   `json:"issuer"`
	TokenEndpoint         string   `json:"token_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	IntrospectionEndpoint string   `json:"introspection_endpoint"`
	GrantTypes            []string `json:"grant_types_supported"`
	// ResponseTypes is required by RFC 8414 §2 and empty here, because there is
	// no authorization endpoint: clients that insist on the member find it.
	ResponseTypes            []string `json:"response_types_supported"`
	TokenAuthMethods         []string `json:"token_endpoint_auth_methods_supported"`
	RevocationAuthMethods    []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectionAuthMethods []string `json:"introspection_endpoint_auth_methods_supported"`
	ServiceDocumentation     string   `json:"service_documentation,omitempty"`
}

func (s *Server) metadata() metadata {
	origin := strings.TrimSuffix(s.Issuer, issuerPath(s.Issuer))
	methods := []string{"client_secret_basic", "client_secret_post"}
	return metadata{
		Issuer:                   s.Issuer,
		TokenEndpoint:            origin + s.endpoint(RFC, V3, V2, V1),
		JWKSURI:                  origin + "/.well-known/jwks.json",
		RevocationEndpoint:       origin + "/oauth2/revoke",
		IntrospectionEndpoint:    origin + "/oauth2/introspect",
		GrantTypes:               []string{oauth.ClientCredentials},
		ResponseTypes:            []string{},
		TokenAuthMethods:         methods,
		RevocationAuthMethods:    methods,
		IntrospectionAuthMethods: methods,
		ServiceDocumentation:     s.Documentation,
	}
}

// endpoint returns the path of the first endpoint that speaks the first of the
// dialects that is mounted at all.
func (s *Server) endpoint(dialects ...Dialect) string {
	for _, d := range dialects {
		for _, e := range s.Endpoints {
			if e.Dialect == d {
				return e.Path
			}
		}
	}
	return ""
}

// jwks serves the keys of a use (RFC 7517 §5). A verifier may keep them for the
// max-age, which is far shorter than a new key waits before it signs.
func (s *Server) jwks(use keyring.Use) httpx.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := onlyGet(r); err != nil {
			return err
		}
		body, etag := s.Ring.JWKS(use)
		h := w.Header()
		h["Cache-Control"] = []string{"public, max-age=300"}
		h["Etag"] = []string{etag}
		h["Access-Control-Allow-Origin"] = []string{"*"}
		if match := r.Header.Get("If-None-Match"); match != "" && strings.Contains(match, etag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		httpx.WriteBody(w, http.StatusOK, "application/json", body)
		return nil
	}
}

// healthHandler answers beside each dialect, without a token (CONTRACT 2.10).
func (s *Server) healthHandler(e Endpoint) httpx.HandlerFunc {
	body := []byte(`{"status":"OK","version":"` + string(e.Dialect) + `"}` + "\n")
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := onlyGet(r); err != nil {
			return err
		}
		noStore(w.Header())
		httpx.WriteBody(w, http.StatusOK, "application/json", body)
		return nil
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
