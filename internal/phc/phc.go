// Package phc reads the hashes of secrets that other servers have made, and checks
// a secret against one: bcrypt in its modular form, PBKDF2 and Argon2 in the form of
// the password hashing competition (PHC), and Keycloak's JSON for the latter two,
// which is turned into that form.
//
// [Parse] refuses what it does not know, what is not written in the one way that
// there is, and what would cost too much: a hash is checked in the path of a
// request, and whoever brings it chooses its cost.
//
// What it does not do: make hashes. Ours are keyed and fast, because our secrets
// are long and random (ADR 0005); these are only passed through, once (ADR 0018).
package phc

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// The costs that are too high. The dearest hash within them takes about a second
// of one core, and 128 MiB.
const (
	maxBcryptCost       = 14
	maxPBKDF2Iterations = 2_000_000
	maxArgon2Memory     = 128 << 10 // KiB
	maxArgon2Passes     = 16
	maxArgon2Work       = 512 << 10 // KiB in all passes
	maxArgon2Threads    = 16
)

// The lengths of what is in a hash.
const (
	maxText            = 1024
	minSalt            = 8 // bytes
	minKey             = 16
	maxPart            = 128
	bcryptLength       = 60
	maxBcryptPassword  = 72 // bytes that bcrypt looks at
	argon2Version      = argon2.Version
	keycloakArgon2Name = "argon2"
)

// Hash is a hash that secrets can be checked against.
type Hash struct {
	text   string
	scheme string
	match  func(secret string) bool
}

// String returns the hash in its modular form. It is not public: a guess can be
// checked against it.
func (h Hash) String() string { return h.text }

// Scheme names how it was made, such as "bcrypt" or "pbkdf2-sha256".
func (h Hash) Scheme() string { return h.scheme }

// Matches reports whether the hash is that of secret. It takes as long as its maker
// wanted it to.
func (h Hash) Matches(secret string) bool { return h.match != nil && h.match(secret) }

// Parse reads a hash. The error is a sentence's end ("is …") that does not repeat it.
func Parse(text string) (Hash, error) {
	switch {
	case len(text) > maxText:
		return Hash{}, fmt.Errorf("is longer than %d characters", maxText)
	case strings.HasPrefix(text, "{"):
		return parseKeycloak(text)
	case strings.HasPrefix(text, "$2"):
		return parseBcrypt(text)
	}
	parts := strings.Split(text, "$")
	if len(parts) < 4 || parts[0] != "" {
		return Hash{}, errors.New("is not a hash in modular form, such as $2b$… or $argon2id$…")
	}
	switch parts[1] {
	case "pbkdf2-sha256":
		return parsePBKDF2(text, parts, sha256.New)
	case "pbkdf2-sha512":
		return parsePBKDF2(text, parts, sha512.New)
	case "argon2i", "argon2id":
		return parseArgon2(text, parts)
	}
	return Hash{}, errors.New("is of a kind that is not known here: bcrypt ($2a$, $2b$, $2y$), $pbkdf2-sha256$, $pbkdf2-sha512$, $argon2i$ and $argon2id$ are")
}

// parseBcrypt reads $2b$10$ and 53 characters. $2a$ and $2y$ mean the same for what
// is valid UTF-8.
func parseBcrypt(text string) (Hash, error) {
	if len(text) != bcryptLength || !strings.HasPrefix(text, "$2a$") && !strings.HasPrefix(text, "$2b$") && !strings.HasPrefix(text, "$2y$") {
		return Hash{}, errors.New("is not a bcrypt hash of 60 characters that begins with $2a$, $2b$ or $2y$")
	}
	const alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	cost, err := strconv.Atoi(text[4:6])
	if err != nil || text[6] != '$' || strings.Trim(text[7:], alphabet) != "" {
		return Hash{}, errors.New("is not a bcrypt hash that can be read")
	}
	if cost < bcrypt.MinCost || cost > maxBcryptCost {
		return Hash{}, fmt.Errorf("is a bcrypt hash of cost %d: from %d to %d are taken", cost, bcrypt.MinCost, maxBcryptCost)
	}
	return Hash{text: text, scheme: "bcrypt", match: func(secret string) bool {
		// What is longer is cut off by bcrypt: two secrets would be one.
		return len(secret) <= maxBcryptPassword && bcrypt.CompareHashAndPassword([]byte(text), []byte(secret)) == nil
	}}, nil
}

// parsePBKDF2 reads $pbkdf2-sha256$i=25000,l=32$salt$key, and the same with the
// iterations alone and "." for "+", as passlib writes it.
func parsePBKDF2(text string, parts []string, digest func() hash.Hash) (Hash, error) {
	if len(parts) != 5 {
		return Hash{}, errors.New("is not a PBKDF2 hash: parameters, salt and key are its parts")
	}
	salt, err := decode("salt", strings.ReplaceAll(parts[3], ".", "+"), minSalt)
	if err != nil {
		return Hash{}, err
	}
	key, err := decode("key", strings.ReplaceAll(parts[4], ".", "+"), minKey)
	if err != nil {
		return Hash{}, err
	}
	iterations, length := 0, len(key)
	if number, err := strconv.Atoi(parts[2]); err == nil {
		iterations = number
	} else if err := parameters(parts[2], map[string]*int{"i": &iterations, "l": &length}); err != nil {
		return Hash{}, err
	}
	if iterations < 1 || iterations > maxPBKDF2Iterations {
		return Hash{}, fmt.Errorf("is a PBKDF2 hash of %d iterations: up to %d are taken", iterations, maxPBKDF2Iterations)
	}
	if length != len(key) {
		return Hash{}, errors.New("has a key of another length than it says")
	}
	return Hash{text: text, scheme: parts[1], match: func(secret string) bool {
		got, err := pbkdf2.Key(digest, secret, salt, iterations, len(key))
		return err == nil && subtle.ConstantTimeCompare(got, key) == 1
	}}, nil
}

// parseArgon2 reads $argon2id$v=19$m=65536,t=3,p=4$salt$key (RFC 9106).
func parseArgon2(text string, parts []string) (Hash, error) {
	if len(parts) != 6 || parts[2] != "v="+strconv.Itoa(argon2Version) {
		return Hash{}, fmt.Errorf("is not an Argon2 hash of version %d: version, parameters, salt and key are its parts", argon2Version)
	}
	var memory, passes, threads int
	if err := parameters(parts[3], map[string]*int{"m": &memory, "t": &passes, "p": &threads}); err != nil {
		return Hash{}, err
	}
	salt, err := decode("salt", parts[4], minSalt)
	if err != nil {
		return Hash{}, err
	}
	key, err := decode("key", parts[5], minKey)
	if err != nil {
		return Hash{}, err
	}
	switch {
	case passes < 1 || threads < 1 || threads > maxArgon2Threads || memory < 8*threads: // RFC 9106 §3.1
		return Hash{}, errors.New("is an Argon2 hash with parameters that cannot be")
	case passes > maxArgon2Passes || memory > maxArgon2Memory || memory*passes > maxArgon2Work:
		return Hash{}, fmt.Errorf("is an Argon2 hash that costs too much: up to m=%d, t=%d, and m times t up to %d are taken", maxArgon2Memory, maxArgon2Passes, maxArgon2Work)
	}
	derive := argon2.IDKey
	if parts[1] == "argon2i" {
		derive = argon2.Key
	}
	return Hash{text: text, scheme: parts[1], match: func(secret string) bool {
		got := derive([]byte(secret), salt, uint32(passes), uint32(memory), uint8(threads), uint32(len(key))) //nolint:gosec // bounded above
		return subtle.ConstantTimeCompare(got, key) == 1
	}}, nil
}

// parameters reads "i=25000,l=32": each name once, in any order, and none other.
func parameters(text string, into map[string]*int) error {
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(pair, "=")
		field, known := into[name]
		n, err := strconv.Atoi(value)
		if !known || seen[name] || err != nil || n < 0 || n > 1<<30 || strconv.Itoa(n) != value {
			return errors.New("has parameters that cannot be read")
		}
		*field, seen[name] = n, true
	}
	return nil
}

// decode reads base64 without padding.
func decode(what, text string, shortest int) ([]byte, error) {
	b, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("has a %s that is not base64 without padding", what)
	}
	if len(b) < shortest || len(b) > maxPart {
		return nil, fmt.Errorf("has a %s of %d bytes: from %d to %d are taken", what, len(b), shortest, maxPart)
	}
	return b, nil
}
