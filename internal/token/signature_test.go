package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// parts returns a token without its signature, and that.
func parts(t *testing.T, raw string) (unsigned string, signature []byte) {
	t.Helper()
	dot := strings.LastIndexByte(raw, '.') + 1
	signature, err := base64.RawURLEncoding.DecodeString(raw[dot:])
	if err != nil {
		t.Fatal(err)
	}
	return raw[:dot], signature
}

// otherS is an ES256 token with the other signature that has the same r.
func otherS(t *testing.T, raw string) string {
	t.Helper()
	unsigned, signature := parts(t, raw)
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s)
	return unsigned + base64.RawURLEncoding.EncodeToString(append(slices.Clone(signature[:32]), s.FillBytes(make([]byte, 32))...))
}

// Our own signatures: RFC 7518 §3.3 and §3.4, RFC 8032 §5.1.7.
func TestANumberOfASignatureIsWithinItsBounds(t *testing.T) {
	fill := func(n *big.Int, size int) []byte { return n.FillBytes(make([]byte, size)) }
	add := func(n, more *big.Int) *big.Int { return new(big.Int).Add(n, more) }
	zero, one := big.NewInt(0), big.NewInt(1)
	for _, alg := range algorithms {
		p := newPair(t, alg)
		v := newVerifier(t, newRing(p), newClock())
		raw := mint(t, p.Key, sample())
		if key, ok := p.Public.(*rsa.PublicKey); ok { // one that begins with a zero can be written shorter
			for i := 0; ; i++ {
				raw = forge(t, p.Key, header(p.Key, ""), claims(map[string]string{"x": strconv.Itoa(i)}))
				if _, signature := parts(t, raw); signature[0] == 0 && key != nil {
					break
				}
			}
		}
		unsigned, signature := parts(t, raw)
		others := map[string][]byte{
			"a byte less": signature[:len(signature)-1], "a byte less before": signature[1:], "a zero behind": append(slices.Clone(signature), 0), "a zero before": append([]byte{0}, signature...),
			"zeros": make([]byte, len(signature)), "ones": []byte(strings.Repeat("\xff", len(signature))), "twice": append(slices.Clone(signature), signature...), "nothing": {},
		}
		switch key := p.Public.(type) {
		case *rsa.PublicKey:
			size, number := len(signature), new(big.Int).SetBytes(signature)
			others["the modulus"] = fill(key.N, size)
			if sum := add(number, key.N); sum.BitLen() <= 8*size {
				others["the modulus added"] = fill(sum, size)
			}
		case *ecdsa.PublicKey:
			n, r, s := key.Params().N, new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
			der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
			if err != nil {
				t.Fatal(err)
			}
			others["DER"] = der
			for name, pair := range map[string][2]*big.Int{
				"r zero": {zero, s}, "s zero": {r, zero}, "r is n": {n, s}, "s is n": {r, n}, "r after n": {add(n, one), s}, "s after n": {r, add(n, one)}, "the other way round": {s, r},
			} {
				others[name] = append(fill(pair[0], 32), fill(pair[1], 32)...)
			}
		default:
			order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
			scalar := slices.Clone(signature[32:])
			slices.Reverse(scalar)
			more := fill(add(new(big.Int).SetBytes(scalar), order), 32)
			slices.Reverse(more)
			others["S and the order"] = append(slices.Clone(signature[:32]), more...)
		}
		for name, other := range others {
			refused(t, v, string(alg)+" "+name, unsigned+base64.RawURLEncoding.EncodeToString(other), token.BadSignature)
		}
		if _, err := v.Verify(raw); err != nil {
			t.Errorf("%s: the signature itself is refused: %v", alg, err)
		}
	}
}

// RFC 7518 §3.4 asks for no smaller s, and modules sign with either: a token by ES256 has
// two spellings. They say the same, so that what goes by its jti holds for both.
func TestBothSpellingsOfATokenAreOneToken(t *testing.T) {
	p := newPair(t, keyring.ES256)
	v := newVerifier(t, newRing(p), newClock())
	raw := mint(t, p.Key, sample())
	one, err := v.Verify(raw)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // verified, then remembered
		other, err := v.Verify(otherS(t, raw))
		if err != nil || other.JTI != one.JTI || other.ClientID != one.ClientID || other.Expires != one.Expires || other.Confirmation != one.Confirmation {
			t.Errorf("got %+v, %v", other, err)
		}
	}
}
