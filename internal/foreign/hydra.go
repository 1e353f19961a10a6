package foreign

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/api"
)

// hydraClient is a client of Ory Hydra (RFC 7591 §2, with its own additions).
type hydraClient struct {
	ClientID   string          `json:"client_id"`
	Name       string          `json:"client_name"`
	Secret     string          `json:"client_secret"`
	SecretEnds int64           `json:"client_secret_expires_at"`
	GrantTypes []string        `json:"grant_types"`
	Scope      string          `json:"scope"`
	Owner      string          `json:"owner"`
	Contacts   []string        `json:"contacts"`
	AuthMethod string          `json:"token_endpoint_auth_method"`
	JWKS       json.RawMessage `json:"jwks"`
	JWKSURI    string          `json:"jwks_uri"`
}

// Hydra reads an array of clients, clients one after the other, or the answer of
// "hydra list oauth2-clients --format json".
func Hydra(data []byte, now time.Time) (Export, error) {
	var e Export
	all, err := documents(data, "items")
	if err != nil {
		return e, err
	}
	for _, raw := range all {
		var h hydraClient
		if err := read(raw, &h); err != nil {
			return e, err
		}
		e.hydra(h, now)
	}
	return e, nil
}

func (e *Export) hydra(h hydraClient, now time.Time) {
	const label = "imported from Hydra"
	switch {
	case !slices.Contains(h.GrantTypes, "client_credentials"):
		e.leave(h.ClientID, "client credentials is not among its grants")
		return
	case h.AuthMethod == "none":
		e.leave(h.ClientID, "it is a public client: it authenticates by nothing")
		return
	}
	c := Client{ClientID: h.ClientID, Name: named(h.Name, h.ClientID), Organization: h.Owner, Scopes: strings.Fields(h.Scope)}
	if len(h.Contacts) > 0 {
		c.Email = h.Contacts[0]
	}
	switch h.AuthMethod {
	case "private_key_jwt":
		switch {
		case h.JWKSURI != "":
			c.add(api.ImportCredential{Label: label, JWKSURI: h.JWKSURI})
		case len(h.JWKS) > 0:
			c.addKeys(h.JWKS, label)
		default:
			c.note("its keys are not in the export")
		}
	case "", "client_secret_basic", "client_secret_post":
		c.hydraSecret(h, label, now)
	default:
		c.note("it authenticates by " + h.AuthMethod + ", which is not known here")
	}
	e.Clients = append(e.Clients, c)
}

func (c *Client) hydraSecret(h hydraClient, label string, now time.Time) {
	if h.Secret == "" {
		c.note("its secret is not in the export: Hydra's own lists leave it out, its table hydra_client has the hash")
		return
	}
	cred := secretOrHash(h.Secret, label)
	if h.SecretEnds > 0 {
		cred.Expires = time.Unix(h.SecretEnds, 0).UTC()
		if !cred.Expires.After(now) {
			c.note("its secret has expired, and is left behind")
			return
		}
	}
	c.add(cred)
}
