package market

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"math/big"
	"strings"
	"sync"

	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Hash is the keyed hash under which a secret is stored and found.
type Hash [sha256.Size]byte

// Hasher hashes secrets. Secrets of ours carry 256 random bits, so one
// HMAC-SHA-256 under a key that the database does not hold is enough (ADR
// 0005), and because the hash is keyed it can be looked up in a map: unknown
// client and wrong secret then take the same path and the same time.
type Hasher struct {
	key    secret.String
	states *sync.Pool // of hash.Hash: a token request has no other work as large
}

// NewHasher returns a Hasher under key, which must stay the same for as long
// as the hashes made with it.
func NewHasher(key secret.String) Hasher {
	h := Hasher{key: key}
	h.states = &sync.Pool{New: func() any { return h.state() }}
	return h
}

func (h Hasher) state() hash.Hash { return hmac.New(sha256.New, []byte(h.key.Reveal())) }

// Hash returns the keyed hash of text.
func (h Hasher) Hash(text string) Hash {
	mac, _ := h.states.Get().(hash.Hash)
	mac.Write([]byte(text))
	var sum Hash
	mac.Sum(sum[:0])
	mac.Reset() // it keeps nothing of the text
	h.states.Put(mac)
	return sum
}

// Derive returns a key of 32 bytes for another purpose, the same at every node. It
// tells nothing of the key that it is derived from, nor of those for other purposes.
func (h Hasher) Derive(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, []byte(h.key.Reveal()), nil, "sallyport/"+purpose+"/v1", sha256.Size)
	if err != nil {
		panic(err) // only for a length that HKDF cannot give
	}
	return key
}

// Secrets look like
//
//	spsbx_ 8Hf…43 characters…  6 characters
//	prefix 256 random bits     CRC-32 of what stands before
//
// in letters and digits only, so that no client, form or header has to escape
// them. The prefix tells a scanner what it found and a person which world it is
// for; the checksum tells a typo from a wrong secret.
const (
	secretBody  = 43 // base62 characters that hold 256 bits
	secretCheck = 6  // base62 characters that hold 32 bits
	hintLength  = 4  // characters of the body that are kept to recognize it by
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// NewSecret makes a secret with prefix ("spsbx"), and the hint to show for it.
func NewSecret(prefix string) (text secret.String, hint string) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand
	head := prefix + "_" + toBase62(raw[:], secretBody)
	return secret.New(head + checksum(head)), head[:len(prefix)+1+hintLength] + "…"
}

// SecretForm says what can be told about a text without knowing any secret:
// the prefix it carries, and whether its checksum holds. Only the owner of a
// secret is told.
func SecretForm(text secret.String) (prefix string, intact bool) {
	s := text.Reveal()
	cut := strings.LastIndexByte(s, '_')
	if cut < 0 || len(s)-cut-1 != secretBody+secretCheck {
		return "", false
	}
	head, check := s[:len(s)-secretCheck], s[len(s)-secretCheck:]
	return s[:cut], checksum(head) == check
}

func checksum(s string) string {
	return toBase62(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(s))), secretCheck)
}

// toBase62 writes b as exactly width digits.
func toBase62(b []byte, width int) string {
	n, radix, digit := new(big.Int).SetBytes(b), big.NewInt(62), new(big.Int)
	out := make([]byte, width)
	for i := width - 1; i >= 0; i-- {
		n.DivMod(n, radix, digit)
		out[i] = base62[digit.Int64()]
	}
	return string(out)
}
