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
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Sealer seals private keys for storage: AES-256-GCM under a key derived from
// the installation's sealing key, bound to the place of the record, so that a
// sealed key cannot be moved to another kid, use or environment.
//
// A sealed text is
//
//	what (1 byte) | id of the sealing key (8) | nonce (12) | ciphertext and tag
//
// What is sealed is a private key or, for one that is in a vault, where it is.
// The id tells a wrong sealing key from a damaged record, and which one opens it
// while one replaces another: a sealer has a key that seals and others that only
// open.
type Sealer struct {
	keys []sealingKey // the first one seals
}

// sealingKey is one of them, derived.
type sealingKey struct {
	aead cipher.AEAD
	id   [sealIDSize]byte
}

// What is sealed: the first byte of a sealed text.
const (
	sealedKey       = 1 // PKCS #8, DER
	sealedReference = 2 // of a vault
)

const (
	sealIDSize = 8
	sealHeader = 1 + sealIDSize

	// 32 bytes are 43 characters of base64, the densest text there is.
	minSealingKey = 43
	// Random text of that length has more; what has fewer was typed by hand.
	minDistinct = 10
)

// errOtherSealingKey is wrapped by what is returned for a record that was sealed
// under another sealing key.
var errOtherSealingKey = errors.New("sealed under another sealing key")

// NewSealer returns a sealer for the installation's sealing key, a text with at
// least 32 bytes of entropy, such as `openssl rand -base64 32` prints. What was
// sealed under an old one is opened too.
func NewSealer(key secret.String, old ...secret.String) (Sealer, error) {
	var s Sealer
	for _, text := range append([]secret.String{key}, old...) {
		derived, err := deriveSealingKey(text)
		if err != nil {
			return Sealer{}, err
		}
		if !slices.ContainsFunc(s.keys, func(k sealingKey) bool { return k.id == derived.id }) {
			s.keys = append(s.keys, derived)
		}
	}
	return s, nil
}

func deriveSealingKey(key secret.String) (sealingKey, error) {
	text := key.Reveal()
	distinct := map[byte]bool{}
	for i := range len(text) {
		distinct[text[i]] = true
	}
	if len(text) < minSealingKey || len(distinct) < minDistinct {
		return sealingKey{}, fmt.Errorf("the sealing key must be at least %d random characters; `openssl rand -base64 32` makes one", minSealingKey)
	}
	var s sealingKey
	derived, err := hkdf.Key(sha256.New, []byte(text), nil, "sallyport/seal/v1", 32)
	if err != nil {
		return sealingKey{}, fmt.Errorf("derive the sealing key: %w", err)
	}
	id, err := hkdf.Key(sha256.New, []byte(text), nil, "sallyport/seal-id/v1", sealIDSize)
	if err != nil {
		return sealingKey{}, fmt.Errorf("derive the sealing key's id: %w", err)
	}
	copy(s.id[:], id)
	block, err := aes.NewCipher(derived)
	if err != nil {
		return sealingKey{}, fmt.Errorf("prepare the sealing key: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return sealingKey{}, fmt.Errorf("prepare the sealing key: %w", err)
	}
	s.aead = randomNonce{gcm}
	return s, nil
}

// Format implements [fmt.Formatter]: a sealer prints as nothing but the id of the
// key that seals.
func (s Sealer) Format(f fmt.State, _ rune) {
	fmt.Fprint(f, "sealer")
	if len(s.keys) > 0 {
		fmt.Fprint(f, " ", s.keys[0])
	}
}

// Format implements [fmt.Formatter].
func (k sealingKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, hex.EncodeToString(k.id[:])) }

// IDs lists the ids of the sealing keys; the first one's seals.
func (s Sealer) IDs() []string {
	ids := make([]string, len(s.keys))
	for i, k := range s.keys {
		ids[i] = hex.EncodeToString(k.id[:])
	}
	return ids
}

// knownTo returns a sealer that seals under the first of the keys that all of the
// nodes open with: while one sealing key replaces another, nothing is sealed so
// that a node which has not been told of the new one yet could not read it.
func (s Sealer) knownTo(nodes []market.Node) Sealer {
	for i, id := range s.IDs() {
		if !slices.ContainsFunc(nodes, func(n market.Node) bool { return !slices.Contains(n.SealingKeys, id) }) {
			return Sealer{keys: append([]sealingKey{s.keys[i]}, slices.Delete(slices.Clone(s.keys), i, i+1)...)}
		}
	}
	return s // nothing that we can write is for all
}

// seal encrypts plain for one place.
func (s Sealer) seal(what byte, env market.Environment, use Use, kid string, plain []byte) []byte {
	key := s.keys[0]
	sealed := append([]byte{what}, key.id[:]...)
	return key.aead.Seal(sealed, nil, plain, place(sealed, env, use, kid)) //nolint:gosec // nil: this GCM draws its own nonce
}

// open decrypts what was sealed for the same place, and says what it is.
func (s Sealer) open(env market.Environment, use Use, kid string, sealed []byte) (what byte, plain []byte, err error) {
	if len(sealed) < sealHeader || sealed[0] != sealedKey && sealed[0] != sealedReference {
		return 0, nil, errors.New("not a sealed key of a version known here")
	}
	header, body := sealed[:sealHeader], sealed[sealHeader:]
	i := slices.IndexFunc(s.keys, func(k sealingKey) bool { return bytes.Equal(header[1:], k.id[:]) })
	if i < 0 {
		return 0, nil, fmt.Errorf("%w (id %x, ours is %s)", errOtherSealingKey, header[1:], strings.Join(s.IDs(), " or "))
	}
	if plain, err = s.keys[i].aead.Open(nil, nil, body, place(header, env, use, kid)); err != nil {
		return 0, nil, errors.New("the sealed key is damaged, or was sealed for another kid, use or environment")
	}
	return header[0], plain, nil
}

// sealedUnder returns the id of the sealing key that a record is sealed under.
func sealedUnder(record Record) string {
	if len(record.Sealed) < sealHeader {
		return ""
	}
	return hex.EncodeToString(record.Sealed[1:sealHeader])
}

// replaced reports whether a record is sealed under a key that only opens.
func (s Sealer) replaced(record Record) bool {
	ids := s.IDs()
	return slices.Contains(ids[1:], sealedUnder(record))
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
