// Package foreign reads what other authorization servers write about their clients:
// realms of Keycloak, clients of Ory Hydra, developer apps of Apigee. Each becomes an
// [Export]: the clients that can be taken over, and those that cannot, with the reason.
//
// The readers know the members that they need and pass over the others, of which
// there are hundreds; what they do need has one reading, or the file is refused.
//
// Invariants: an error, a note and a reason never repeat a secret or a hash; a
// private key is left behind.
//
// What it does not do: decide whether what was found can be here. The market does,
// of all of it, before anything is changed.
package foreign

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

// MaxFile is how large a file may be.
const MaxFile = 64 << 20

// Export is what was found in a file.
type Export struct {
	Clients []Client
	Left    []Left
}

// Client is a client that can be taken over.
type Client struct {
	ClientID     string
	Name         string
	Organization string // what its owner is called there: a realm, a company, a developer; may be empty
	Email        string // may be empty
	Disabled     bool
	Products     []string // that it is narrowed to, by their names there
	Scopes       []string // that it may ask for: they are no products, but may stand for some
	Credentials  []api.ImportCredential
	Notes        []string // what of it stays behind
}

// Left is a client that stays behind.
type Left struct{ ClientID, Reason string }

func (e *Export) leave(clientID, reason string) {
	e.Left = append(e.Left, Left{clientID, reason})
}

func (c *Client) note(text string) { c.Notes = append(c.Notes, text) }

func (c *Client) add(cred api.ImportCredential) { c.Credentials = append(c.Credentials, cred) }

// documents returns the JSON objects of a file: one, an array of them, one after the
// other, or those in a member that holds a list.
func documents(data []byte, list string) ([]json.RawMessage, error) {
	if len(data) > MaxFile {
		return nil, errors.New("the file is larger than 64 MiB")
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var all []json.RawMessage
	for d := json.NewDecoder(bytes.NewReader(data)); d.More(); {
		var one json.RawMessage
		if err := d.Decode(&one); err != nil {
			return nil, errors.New("the file is not JSON")
		}
		found, err := objects(one, list)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		return nil, errors.New("the file holds no clients")
	}
	return all, nil
}

func objects(one json.RawMessage, list string) ([]json.RawMessage, error) {
	var array []json.RawMessage
	if bytes.HasPrefix(bytes.TrimSpace(one), []byte("[")) {
		if err := read(one, &array); err != nil {
			return nil, err
		}
		return array, nil
	}
	var members map[string]json.RawMessage
	if err := read(one, &members); err != nil {
		return nil, err
	}
	if inner, ok := members[list]; ok && list != "" {
		if err := read(inner, &array); err != nil {
			return nil, err
		}
		return array, nil
	}
	return []json.RawMessage{one}, nil
}

// read reads JSON that has one reading. Its error does not repeat what was read.
func read(data []byte, into any) error {
	if strictjson.Unmarshal(data, into) != nil {
		return errors.New("the file is not JSON of the kind that is expected, with each member once")
	}
	return nil
}

// isHash reports whether a text that stands for a secret is a hash of one.
func isHash(text string) bool {
	for _, prefix := range []string{"$2a$", "$2b$", "$2y$", "$pbkdf2-", "$argon2"} {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}

// secretOrHash is a credential of a text that is the one or the other.
func secretOrHash(text, label string) api.ImportCredential {
	c := api.ImportCredential{Label: label}
	if isHash(text) {
		c.Hash = api.NewSecret(text)
	} else {
		c.Secret = api.NewSecret(text)
	}
	return c
}

// addKeys adds the public keys of a key set (RFC 7517 §5).
func (c *Client) addKeys(keySet []byte, label string) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if read(keySet, &set) != nil {
		c.note("its key set cannot be read")
		return
	}
	for _, raw := range set.Keys {
		var key map[string]any
		if read(raw, &key) != nil {
			c.note("a key of it cannot be read")
			continue
		}
		if key["d"] != nil || key["k"] != nil || key["p"] != nil {
			c.note("a key of it is not public, and is left behind")
			continue
		}
		if use, _ := key["use"].(string); use == "enc" {
			continue
		}
		c.add(api.ImportCredential{Label: label, PublicKey: string(raw)})
	}
}

// named is name, or what else it can be called.
func named(name, otherwise string) string {
	name = strings.TrimSpace(name)
	if name == "" || strings.HasPrefix(name, "${") {
		return otherwise
	}
	return name
}
