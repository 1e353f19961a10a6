package foreign

import (
	"encoding/base64"
	"encoding/pem"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/api"
)

// keycloakRealm is a realm as "kc.sh export" writes it.
type keycloakRealm struct {
	Realm    string           `json:"realm"`
	Clients  []keycloakClient `json:"clients"`
	ClientID string           `json:"clientId"` // it is no realm, but a client
}

// keycloakClient is a client in it, or alone, as "kcadm.sh get clients" writes it.
type keycloakClient struct {
	ClientID        string            `json:"clientId"`
	Name            string            `json:"name"`
	Enabled         *bool             `json:"enabled"`
	Protocol        string            `json:"protocol"`
	PublicClient    bool              `json:"publicClient"`
	BearerOnly      bool              `json:"bearerOnly"`
	ServiceAccounts bool              `json:"serviceAccountsEnabled"`
	Authenticator   string            `json:"clientAuthenticatorType"`
	Secret          string            `json:"secret"`
	Attributes      map[string]string `json:"attributes"`
	Scopes          []string          `json:"defaultClientScopes"`
}

// Keycloak reads a realm, an array of realms, or an array of clients.
func Keycloak(data []byte, now time.Time) (Export, error) {
	var e Export
	all, err := documents(data, "")
	if err != nil {
		return e, err
	}
	for _, raw := range all {
		var realm keycloakRealm
		if err := read(raw, &realm); err != nil {
			return e, err
		}
		if realm.ClientID != "" {
			var alone keycloakClient
			if err := read(raw, &alone); err != nil {
				return e, err
			}
			realm.Clients = append(realm.Clients, alone)
		}
		for _, k := range realm.Clients {
			e.keycloak(realm.Realm, k, now)
		}
	}
	return e, nil
}

func (e *Export) keycloak(realm string, k keycloakClient, now time.Time) {
	switch {
	case k.Protocol != "" && k.Protocol != "openid-connect":
		e.leave(k.ClientID, "it speaks "+k.Protocol+", not OpenID Connect")
		return
	case k.PublicClient:
		e.leave(k.ClientID, "it is a public client: it authenticates by nothing")
		return
	case k.BearerOnly, !k.ServiceAccounts:
		e.leave(k.ClientID, "it has no service account: client credentials is not its grant")
		return
	}
	c := Client{
		ClientID: k.ClientID, Name: named(k.Name, k.ClientID), Organization: realm, Scopes: k.Scopes,
		Disabled: k.Enabled != nil && !*k.Enabled,
	}
	switch k.Authenticator {
	case "", "client-secret":
		c.keycloakSecrets(k, now)
	case "client-jwt":
		c.keycloakKeys(k)
	case "client-x509":
		c.keycloakCertificate(k)
	default:
		c.note("it authenticates by " + k.Authenticator + ", which is not known here")
	}
	e.Clients = append(e.Clients, c)
}

// keycloakSecrets takes the secret, and the one that was rotated and still works.
func (c *Client) keycloakSecrets(k keycloakClient, now time.Time) {
	for _, s := range []struct{ text, label, ends string }{
		{k.Secret, "imported from Keycloak", k.Attributes["client.secret.expiration.time"]},
		{k.Attributes["client.secret.rotated"], "imported from Keycloak, rotated there", k.Attributes["client.secret.rotated.expiration.time"]},
	} {
		switch {
		case s.text == "":
			continue
		case strings.Trim(s.text, "*") == "":
			c.note("its secret is masked in the export: export the realm with its secrets")
			continue
		case strings.HasPrefix(s.text, "${"):
			c.note("its secret is in a vault, not in the export")
			continue
		}
		cred := secretOrHash(s.text, s.label)
		if seconds, err := strconv.ParseInt(s.ends, 10, 64); err == nil && seconds > 0 {
			cred.Expires = time.Unix(seconds, 0).UTC()
			if !cred.Expires.After(now) {
				c.note("a secret of it has expired, and is left behind")
				continue
			}
		}
		c.add(cred)
	}
}

// keycloakKeys takes the keys that a client signs its assertions with.
func (c *Client) keycloakKeys(k keycloakClient) {
	const label = "imported from Keycloak"
	a := k.Attributes
	switch {
	case a["use.jwks.url"] == "true" && a["jwks.url"] != "":
		c.add(api.ImportCredential{Label: label, JWKSURI: a["jwks.url"]})
	case a["use.jwks.string"] == "true" && a["jwks.string"] != "":
		c.addKeys([]byte(a["jwks.string"]), label)
	case a["jwt.credential.certificate"] != "":
		c.addPEM("CERTIFICATE", a["jwt.credential.certificate"], label)
	case a["jwt.credential.public.key"] != "":
		c.addPEM("PUBLIC KEY", a["jwt.credential.public.key"], label)
	default:
		c.note("its keys are not in the export")
	}
}

// addPEM adds a public key that is held as DER in base64.
func (c *Client) addPEM(kind, text, label string) {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		c.note("its key cannot be read")
		return
	}
	c.add(api.ImportCredential{Label: label, PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))})
}

// keycloakCertificate takes the name that a client's certificate has to have.
func (c *Client) keycloakCertificate(k keycloakClient) {
	name := k.Attributes["x509.subjectdn"]
	switch {
	case name == "":
		c.note("the name of its certificate is not in the export")
	case k.Attributes["x509.allow.regex.pattern.comparison"] == "true":
		c.note("its certificate is known by a pattern; here it has to be one name")
	default:
		c.add(api.ImportCredential{Label: "imported from Keycloak", CertifiedName: "subject_dn:" + name})
	}
}
