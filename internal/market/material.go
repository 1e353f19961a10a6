package market

import (
	"crypto/sha256"
	"encoding/base64"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/jose"
)

// maxMaterial bounds a URL or a name that a credential is about.
const maxMaterial = 1000

// material is what is kept of a credential that is no secret.
type material struct {
	text     string
	identity string // what an app has once: the text, or what is the same whatever its spelling
	hint     string
	expires  time.Time // when it ends by itself; zero: never
}

// readMaterial checks what an app wants to authenticate by. The field of a
// refusal is called as the kind.
func readMaterial(kind CredentialKind, given string, now time.Time) (material, error) {
	field := string(kind)
	switch kind {
	case PublicKey:
		k, err := jose.ParsePublic([]byte(given))
		if err != nil {
			return material{}, Invalid(field, "is %v", err)
		}
		text, err := k.MarshalJSON()
		if err != nil {
			return material{}, err
		}
		return material{text: string(text), identity: k.Thumbprint(), hint: short(k.Thumbprint())}, nil
	case KeySetURL:
		u, err := checkKeySetURL(given)
		if err != nil {
			return material{}, err
		}
		return material{text: given, identity: given, hint: u.Host}, nil
	case Certificate:
		c, err := jose.ParseCertificate([]byte(given))
		switch {
		case err != nil:
			return material{}, Invalid(field, "is %v", err)
		case !c.NotAfter.After(now):
			return material{}, Invalid(field, "has expired already, at %s", c.NotAfter.UTC().Format(time.RFC3339))
		}
		sum := sha256.Sum256(c.Raw)
		text := base64.RawURLEncoding.EncodeToString(sum[:])
		return material{text: text, identity: text, hint: short(text), expires: c.NotAfter}, nil
	case CertifiedName:
		name, err := ParseCertifiedName(given)
		if err != nil {
			return material{}, err
		}
		return material{text: name.String(), identity: name.String(), hint: name.String()}, nil
	case ClientSecret, ImportedSecret:
	}
	return material{}, Invalid("kind", "a credential is one of: %s, %s, %s, %s, %s", ClientSecret, PublicKey, KeySetURL, Certificate, CertifiedName)
}

// short is the beginning of a thumbprint, to recognize it by.
func short(thumbprint string) string { return thumbprint[:10] + "…" }

// checkKeySetURL holds the URL of a key set to what may be fetched: https, plain
// http on this very machine.
func checkKeySetURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > maxMaterial || checkPrinting("", text) != nil || strings.ContainsAny(text, " \\"):
		return nil, Invalid(string(KeySetURL), "is not a URL of at most %d characters", maxMaterial)
	case u.Hostname() == "" || u.Opaque != "":
		return nil, Invalid(string(KeySetURL), "has no host")
	case u.User != nil:
		return nil, Invalid(string(KeySetURL), "holds a user name: a key set is public, and fetched without one")
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, Invalid(string(KeySetURL), "has a fragment, which is never sent")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return u, nil
	}
	return nil, Invalid(string(KeySetURL), "must begin with https://: whoever can change the answer on its way could authenticate as the app")
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// Name is what a certificate of a client must say, whoever of the trusted
// authorities issued it (RFC 8705 §2.1.2).
type Name struct {
	Type  NameType
	Value string
}

// NameType says where in the certificate the name stands.
type NameType string

// The types of name. Exactly one names a client.
const (
	SubjectDN NameType = "subject_dn" // RFC 4514 text of the subject
	SANDNS    NameType = "san_dns"
	SANURI    NameType = "san_uri"
	SANIP     NameType = "san_ip"
	SANEmail  NameType = "san_email"
)

// NameTypes lists them.
func NameTypes() []NameType { return []NameType{SubjectDN, SANDNS, SANURI, SANIP, SANEmail} }

// String returns the name as it is written and kept: "san_dns:client.example".
func (n Name) String() string { return string(n.Type) + ":" + n.Value }

// ParseCertifiedName reads a name that is written like "san_dns:client.example".
func ParseCertifiedName(text string) (Name, error) {
	field := string(CertifiedName)
	kind, value, _ := strings.Cut(text, ":")
	n := Name{Type: NameType(kind), Value: value}
	if !slices.Contains(NameTypes(), n.Type) {
		return Name{}, Invalid(field, "is a type and a value, such as san_dns:client.example; the types are subject_dn, san_dns, san_uri, san_ip and san_email")
	}
	if value == "" || len(value) > maxMaterial || strings.TrimSpace(value) != value || checkPrinting(field, value) != nil {
		return Name{}, Invalid(field, "needs a value of at most %d printing characters after %s:", maxMaterial, kind)
	}
	switch n.Type {
	case SubjectDN:
		if _, ok := parseDN(value); !ok {
			return Name{}, Invalid(field, "is not a distinguished name, such as CN=client,O=Acme Health,C=US (RFC 4514)")
		}
	case SANDNS:
		n.Value = strings.ToLower(value)
		if !isHostName(n.Value) {
			return Name{}, Invalid(field, "is not the DNS name of one host, such as client.example")
		}
	case SANURI:
		if u, err := url.Parse(value); err != nil || u.Scheme == "" || strings.Contains(value, " ") {
			return Name{}, Invalid(field, "is not a URI, such as spiffe://example/client")
		}
	case SANIP:
		addr, err := netip.ParseAddr(value)
		if err != nil || addr.Zone() != "" {
			return Name{}, Invalid(field, "is not an IP address")
		}
		n.Value = addr.Unmap().String()
	case SANEmail:
		if a, err := mail.ParseAddress(value); err != nil || a.Address != value {
			return Name{}, Invalid(field, "is not an e-mail address, such as client@example.com")
		}
	}
	return n, nil
}

// isHostName reports whether name, in small letters, is the name of one host: no
// wildcard, no dot at its end.
func isHostName(name string) bool {
	if len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// materialHash is the Hash of a credential that is no secret.
func materialHash(app id.App, kind CredentialKind, identity string) Hash {
	return sha256.Sum256([]byte(string(app) + "\n" + string(kind) + "\n" + identity))
}

// Thumbprint returns the thumbprint of a public key (RFC 7638) or of a
// certificate (x5t#S256), "" for the other kinds.
func (c Credential) Thumbprint() string {
	switch c.Kind { //nolint:exhaustive // the others have none
	case Certificate:
		return c.Material
	case PublicKey:
		if k, err := jose.ParseKey([]byte(c.Material)); err == nil {
			return k.Thumbprint()
		}
	}
	return ""
}
