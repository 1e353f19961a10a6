package dpop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// nonceSpan is for how long one nonce is handed out. It is taken in the span
// before and the one after too, so that it lives from five to ten minutes and the
// clocks of nodes may differ.
const nonceSpan = 5 * time.Minute

// nonces makes and knows nonces: the number of a span of time, and a MAC over it. A
// nonce is no secret; it says when a proof was made, at the earliest.
type nonces struct{ key []byte }

const macSize = 16

// at returns the nonce of a moment.
func (n nonces) at(now time.Time) string { return n.of(spanOf(now)) }

// good reports whether a nonce is one that may be used at a moment.
func (n nonces) good(nonce string, now time.Time) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(raw) != 8+macSize {
		return false
	}
	span := int64(binary.BigEndian.Uint64(raw)) //nolint:gosec // as it was written
	if here := spanOf(now); span < here-1 || span > here+1 {
		return false
	}
	return hmac.Equal([]byte(n.of(span)), []byte(nonce))
}

func (n nonces) of(span int64) string {
	raw := binary.BigEndian.AppendUint64(make([]byte, 0, 8+sha256.Size), uint64(span)) //nolint:gosec // read back as it is
	mac := hmac.New(sha256.New, n.key)
	mac.Write(raw)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(raw)[:8+macSize])
}

func spanOf(now time.Time) int64 { return now.Unix() / int64(nonceSpan/time.Second) }
