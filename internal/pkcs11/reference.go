package pkcs11

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// reference is where a key is: a PKCS #11 URI (RFC 7512 §2.3) of the token's label
// and the object's CKA_ID.
type reference struct {
	token string
	id    []byte
}

func (r reference) String() string {
	var id strings.Builder
	for _, b := range r.id {
		fmt.Fprintf(&id, "%%%02X", b)
	}
	return "pkcs11:token=" + strings.ReplaceAll(url.QueryEscape(r.token), "+", "%20") + ";id=" + id.String() + ";type=private"
}

var errReference = errors.New("not a PKCS #11 URI of a private key, with token and id")

// parseReference reads what String wrote.
func parseReference(text string) (r reference, err error) {
	path, ok := strings.CutPrefix(text, "pkcs11:")
	if !ok {
		return r, errReference
	}
	attributes := map[string]string{}
	for attribute := range strings.SplitSeq(path, ";") {
		name, value, ok := strings.Cut(attribute, "=")
		if _, twice := attributes[name]; !ok || twice {
			return r, errReference
		}
		if attributes[name], err = url.PathUnescape(value); err != nil {
			return r, errReference
		}
	}
	r = reference{attributes["token"], []byte(attributes["id"])}
	if len(attributes) != 3 || r.token == "" || len(r.id) == 0 || attributes["type"] != "private" {
		return r, errReference
	}
	return r, nil
}

// label is what the objects of a key are called in the token, for people.
func (r reference) label(algorithm string) string {
	return "sallyport " + algorithm + " " + hex.EncodeToString(r.id)
}
