package phc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// keycloak is how Keycloak keeps a hash: two JSON documents, which stand in an
// export as texts or as they are.
type keycloak struct {
	CredentialData embedded[struct {
		Iterations int                 `json:"hashIterations"`
		Algorithm  string              `json:"algorithm"`
		More       map[string][]string `json:"additionalParameters"`
	}] `json:"credentialData"`
	SecretData embedded[struct {
		Value string `json:"value"`
		Salt  string `json:"salt"`
	}] `json:"secretData"`
}

// embedded is a JSON document, or a text that holds one.
type embedded[T any] struct{ v T }

// UnmarshalJSON implements [json.Unmarshaler].
func (e *embedded[T]) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		data = []byte(text)
	}
	return json.Unmarshal(data, &e.v)
}

// parseKeycloak turns Keycloak's JSON into the modular form and reads that.
func parseKeycloak(text string) (Hash, error) {
	var k keycloak
	if json.Unmarshal([]byte(text), &k) != nil { // the error could quote it
		return Hash{}, errors.New("is not JSON with credentialData and secretData, as Keycloak writes it")
	}
	data, salt, key := k.CredentialData.v, unpadded(k.SecretData.v.Salt), unpadded(k.SecretData.v.Value)
	more := func(name string) string {
		if values := data.More[name]; len(values) == 1 {
			return values[0]
		}
		return ""
	}
	switch data.Algorithm {
	case "pbkdf2-sha256", "pbkdf2-sha512":
		return Parse(fmt.Sprintf("$%s$i=%d$%s$%s", data.Algorithm, data.Iterations, salt, key))
	case keycloakArgon2Name:
		if more("version") != "1.3" {
			return Hash{}, errors.New("is an Argon2 hash of another version than 1.3")
		}
		return Parse(fmt.Sprintf("$argon2%s$v=%d$m=%s,t=%d,p=%s$%s$%s", more("type"), argon2Version, more("memory"), data.Iterations, more("parallelism"), salt, key))
	}
	return Hash{}, errors.New("is of an algorithm that is not known here: pbkdf2-sha256, pbkdf2-sha512 and argon2 are")
}

// unpadded is base64 without its padding; what is no base64 stays so.
func unpadded(text string) string {
	if _, err := base64.StdEncoding.Strict().DecodeString(text); err != nil {
		return text
	}
	return strings.TrimRight(text, "=")
}
