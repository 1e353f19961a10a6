package config

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Secret names where a secret is; it never holds one.
type Secret struct {
	File string `yaml:"file" doc:"File that holds it; the end of the line does not count."`
	Env  string `yaml:"env" doc:"Environment variable that holds it."`
}

// IsZero reports whether no place is named.
func (s Secret) IsZero() bool { return s == Secret{} }

// Read returns the secret. getenv is the process's environment.
func (s Secret) Read(getenv func(string) string) (secret.String, error) {
	switch {
	case s.File != "" && s.Env != "":
		return secret.String{}, errors.New("give file or env, not both")
	case s.File != "":
		text, err := os.ReadFile(s.File)
		if err != nil {
			return secret.String{}, err
		}
		return secret.New(strings.TrimRight(string(text), "\r\n")), nil
	case s.Env != "":
		text := getenv(s.Env)
		if text == "" {
			return secret.String{}, fmt.Errorf("the environment variable %s is empty or not set", s.Env)
		}
		return secret.New(text), nil
	}
	return secret.String{}, errors.New("name the file or env that holds it")
}

// Exposed reports whether others than its owner can read the file.
func (s Secret) Exposed() bool {
	if s.File == "" {
		return false
	}
	info, err := os.Stat(s.File)
	return err == nil && info.Mode().Perm()&0o004 != 0
}

// What a key has at least: bytes, and different ones among them. Random bytes
// never have so few; a key that was typed has.
const (
	minKeyBytes  = 32
	minKeySpread = 8
)

// ReadKey returns a secret that is at least 32 bytes in hex or base64. A file that is
// not there is told with how it is made: the first installation begins so.
func (s Secret) ReadKey(getenv func(string) string) (secret.String, error) {
	text, err := s.Read(getenv)
	if errors.Is(err, fs.ErrNotExist) {
		return text, fmt.Errorf("there is no file %s: for a new installation make it by (umask 077; openssl rand -hex 32 > %s), for one that has data put back its copy", s.File, s.File)
	}
	if err != nil {
		return text, err
	}
	spread := map[byte]bool{}
	raw := keyBytes(text)
	for _, b := range raw {
		spread[b] = true
	}
	if len(raw) >= minKeyBytes && len(spread) >= minKeySpread {
		return text, nil
	}
	return text, fmt.Errorf("must be at least %d random bytes in hex or base64, as `openssl rand -hex 32` prints them", minKeyBytes)
}

// keyBytes decodes hex, or else base64. Hex digits are base64 too, in which
// they would count for more than they hold.
func keyBytes(text secret.String) []byte {
	s := text.Reveal()
	decoders := []func(string) ([]byte, error){base64.StdEncoding.DecodeString, base64.RawURLEncoding.DecodeString}
	if strings.Trim(s, "0123456789abcdefABCDEF") == "" {
		decoders = []func(string) ([]byte, error){hex.DecodeString}
	}
	for _, decode := range decoders {
		if raw, err := decode(s); err == nil {
			return raw
		}
	}
	return nil
}
