package authserver

import (
	"net/http"
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/jose"
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
	RotationEndpoint      string   `json:"credential_rotation_endpoint,omitempty"` // ours
	GrantTypes            []string `json:"grant_types_supported"`
	// ResponseTypes is required by RFC 8414 §2 and empty here, because there is
	// no authorization endpoint: clients that insist on the member find it.
	ResponseTypes            []string `json:"response_types_supported"`
	TokenAuthMethods         []string `json:"token_endpoint_auth_methods_supported"`
	RevocationAuthMethods    []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectionAuthMethods []string `json:"introspection_endpoint_auth_methods_supported"`
	// The algorithms of client assertions.
	TokenAuthAlgorithms         []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevocationAuthAlgorithms    []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuthAlgorithms []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAlgorithms     []string `json:"introspection_signing_alg_values_supported"`           // RFC 9701 §7
	Scopes                      []string `json:"scopes_supported,omitempty"`                           // the products
	ProtectedResources          []string `json:"protected_resources,omitempty"`                        // RFC 9728 §4
	DPoPAlgorithms              []string `json:"dpop_signing_alg_values_supported"`                    // RFC 9449 §5.1
	CertificateBound            bool     `json:"tls_client_certificate_bound_access_tokens,omitempty"` // RFC 8705 §3.3
	Aliases                     *aliases `json:"mtls_endpoint_aliases,omitempty"`                      // RFC 8705 §5
	ServiceDocumentation        string   `json:"service_documentation,omitempty"`
}

// aliases are the endpoints for clients that show a certificate.
type aliases struct {
	TokenEndpoint         string `json:"token_endpoint"`
	RevocationEndpoint    string `json:"revocation_endpoint"`
	IntrospectionEndpoint string `json:"introspection_endpoint"`
}

// aliases returns the endpoints at the listener for mutual TLS, nil if there is none.
func (s *Server) aliases() *aliases {
	base := s.MutualTLS.URL
	if base == "" {
		return nil
	}
	return &aliases{
		TokenEndpoint: base + s.endpoint(RFC, V3, V2, V1), RevocationEndpoint: base + "/oauth2/revoke", IntrospectionEndpoint: base + "/oauth2/introspect",
	}
}

// methods lists how clients may authenticate here.
func (s *Server) methods() []string {
	all := []string{string(secretBasic), string(secretPost), string(privateKeyJWT)}
	if s.MutualTLS.URL != "" {
		all = append(all, string(selfSigned))
	}
	if s.MutualTLS.URL != "" && s.MutualTLS.Roots != nil {
		all = append(all, string(certifiedName))
	}
	return all
}

// describe serves the metadata as they are now: products and keys change.
func (s *Server) describe(w http.ResponseWriter, r *http.Request) error {
	if err := onlyGet(r); err != nil {
		return err
	}
	w.Header()["Cache-Control"] = []string{"public, max-age=300"}
	w.Header()["Access-Control-Allow-Origin"] = []string{"*"}
	httpx.WriteJSON(w, http.StatusOK, s.metadata())
	return nil
}

// metadata describes the server. The endpoints are below the environment's own URL,
// wherever the issuer is.
func (s *Server) metadata() metadata {
	base := s.BaseURLs[0]
	methods, assertions := s.methods(), jose.Algorithms()
	products := s.Model.Products()
	scopes := make([]string, len(products))
	for i, p := range products {
		scopes[i] = p.Name
	}
	var algorithms []string
	if key := s.Ring.Signer(keyring.UseToken); key != nil {
		algorithms = []string{string(key.Algorithm)}
	}
	rotation := ""
	if s.Credentials != nil {
		rotation = base + "/oauth2/credentials/rotate"
	}
	return metadata{
		Issuer:                      s.Issuer,
		TokenEndpoint:               base + s.endpoint(RFC, V3, V2, V1),
		JWKSURI:                     base + "/.well-known/jwks.json",
		RevocationEndpoint:          base + "/oauth2/revoke",
		IntrospectionEndpoint:       base + "/oauth2/introspect",
		RotationEndpoint:            rotation,
		GrantTypes:                  []string{oauth.ClientCredentials},
		ResponseTypes:               []string{},
		TokenAuthMethods:            methods,
		RevocationAuthMethods:       methods,
		IntrospectionAuthMethods:    methods,
		TokenAuthAlgorithms:         assertions,
		RevocationAuthAlgorithms:    assertions,
		IntrospectionAuthAlgorithms: assertions,
		IntrospectionAlgorithms:     algorithms,
		Scopes:                      scopes,
		ProtectedResources:          s.resources.Load().below(base),
		DPoPAlgorithms:              jose.Algorithms(),
		CertificateBound:            s.MutualTLS.URL != "",
		Aliases:                     s.aliases(),
		ServiceDocumentation:        s.Documentation,
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
// max-age, which is at most half of what a new key waits before it signs. A node
// that has been without its store for too long might lack one that signs by now,
// and serves none.
func (s *Server) jwks(use keyring.Use) httpx.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := onlyGet(r); err != nil {
			return err
		}
		if s.Model.Age() > s.MaxStale {
			return unavailable("this node has not heard from its store for too long")
		}
		body, etag := s.Ring.JWKS(use)
		h := w.Header()
		h["Cache-Control"] = []string{"public, max-age=" + itoa(int64(s.Ring.MaxAge()/time.Second))}
		h["Etag"] = []string{etag}
		h["Access-Control-Allow-Origin"] = []string{"*"}
		if httpx.NoneMatch(r.Header, etag) {
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
