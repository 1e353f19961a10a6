package keyring

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Sealer seals private keys for storage: AES-256-GCM under a key derived from
// the installation's sealing key, bound to the place of the record, so that a
// sealed key cannot be moved to another kid, use or environment.
//
// A sealed text is
//
//	version (1 byte) | id of the sealing key (8) | nonce (12) | ciphertext and tag
//
// The id tells a wrong sealing key from a damaged record, and lets a later
// version hold two keys while one replaces the other.
type Sealer struct {
	aead cipher.AEAD
	id   [sealIDSize]byte
}

const (
	sealVersion = 1
	sealIDSize  = 8
	sealHeader  = 1 + sealIDSize

	// 32 bytes are 43 characters of base64, the densest text there is.
	minSealingKey = 43
	// Random text of that length has more; what has fewer was typed by hand.
	minDistinct = 10
)

// errOtherSealingKey is wrapped by what is returned for a record that was sealed
// under another sealing key.
var errOtherSealingKey = errors.New("sealed under another sealing key")

// NewSealer returns a sealer for the installation's sealing key, a text with at
// least 32 bytes of entropy, such as `openssl rand -base64 32` prints.
func NewSealer(key secret.String) (Sealer, error) {
	text := key.Reveal()
	distinct := map[byte]bool{}
	for i := range len(text) {
		distinct[text[i]] = true
	}
	if len(text) < minSealingKey || len(distinct) < minDistinct {
		return Sealer{}, fmt.Errorf("the sealing key must be at least %d random characters; `openssl rand -base64 32` makes one", minSealingKey)
	}
	var s Sealer
	derived, err := hkdf.Key(sha256.New, []byte(text), nil, "sallyport/seal/v1", 32)
	if err != nil {
		return Sealer{}, fmt.Errorf("derive the sealing key: %w", err)
	}
	id, err := hkdf.Key(sha256.New, []byte(text), nil, "sallyport/seal-id/v1", sealIDSize)
	if err != nil {
		return Sealer{}, fmt.Errorf("derive the sealing key's id: %w", err)
	}
	copy(s.id[:], id)
	block, err := aes.NewCipher(derived)
	if err != nil {
		return Sealer{}, fmt.Errorf("prepare the sealing key: %w", err)
	}
	if s.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return Sealer{}, fmt.Errorf("prepare the sealing key: %w", err)
	}
	return s, nil
}

// Format implements [fmt.Formatter]: a sealer prints as nothing but its id.
func (s Sealer) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "sealer %s", hex.EncodeToString(s.id[:])) }

// seal encrypts plain for one place.
func (s Sealer) seal(env market.Environment, use Use, kid string, plain []byte) []byte {
	sealed := append([]byte{sealVersion}, s.id[:]...)
	return s.aead.Seal(sealed, nil, plain, place(sealed, env, use, kid)) //nolint:gosec // nil: this GCM draws its own nonce
}

// open decrypts what was sealed for the same place.
func (s Sealer) open(env market.Environment, use Use, kid string, sealed []byte) ([]byte, error) {
	if len(sealed) < sealHeader || sealed[0] != sealVersion {
		return nil, errors.New("not a sealed key of a version known here")
	}
	header, body := sealed[:sealHeader], sealed[sealHeader:]
	if id := header[1:]; !bytes.Equal(id, s.id[:]) {
		return nil, fmt.Errorf("%w (id %x, ours is %x)", errOtherSealingKey, id, s.id)
	}
	plain, err := s.aead.Open(nil, nil, body, place(header, env, use, kid))
	if err != nil {
		return nil, errors.New("the sealed key is damaged, or was sealed for another kid, use or environment")
	}
	return plain, nil
}

// place is the additional data of a seal: its header, and each name behind its
// length, so that no two places read alike.
func place(header []byte, env market.Environment, use Use, kid string) []byte {
	data := bytes.Clone(header)
	for _, name := range []string{string(env), string(use), kid} {
		data = binary.BigEndian.AppendUint32(data, uint32(len(name))) //nolint:gosec // a name, not 4 GiB
		data = append(data, name...)
	}
	return data
}
