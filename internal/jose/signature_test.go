package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/jose"
)

// taken reports whether a text is read, and its signature found to be the key's.
func taken(key *jose.Key, text string) bool {
	s, err := jose.Parse(text)
	return err == nil && s.VerifiedBy(key)
}

// resigned is text with another signature.
func resigned(text string, signature []byte) string {
	return text[:strings.LastIndexByte(text, '.')+1] + base64.RawURLEncoding.EncodeToString(signature)
}

// signatureOf is the signature in text.
func signatureOf(t *testing.T, text string) []byte {
	t.Helper()
	signature, err := base64.RawURLEncoding.DecodeString(text[strings.LastIndexByte(text, '.')+1:])
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// refuse fails the test for each of the signatures that is taken in place of text's.
func refuse(t *testing.T, key *jose.Key, text string, signatures map[string][]byte) {
	t.Helper()
	if !taken(key, text) {
		t.Fatal("the signature itself is not taken")
	}
	for name, signature := range signatures {
		if taken(key, resigned(text, signature)) {
			t.Errorf("%s: taken", name)
		}
	}
}

func public(t *testing.T, key crypto.PublicKey) *jose.Key {
	t.Helper()
	k, err := jose.NewKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// RFC 7518 §3.4: r and s side by side, each as long as the curve's order, and within it.
func TestAnECDSASignatureIsTwoNumbersOfTheCurve(t *testing.T) {
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384()} {
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		key, text := public(t, private.Public()), signed(t, private, alg)
		raw := signatureOf(t, text)
		half := len(raw) / 2
		r, s, n := new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:]), curve.Params().N
		pair := func(r, s *big.Int) []byte {
			return append(r.FillBytes(make([]byte, half)), s.FillBytes(make([]byte, half))...)
		}
		der, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		if err != nil {
			t.Fatal(err)
		}
		zero, one, most := big.NewInt(0), big.NewInt(1), new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(8*half)), big.NewInt(1))
		after := new(big.Int).Add(n, one)
		refuse(t, key, text, map[string][]byte{
			alg + " DER": der, alg + " nothing": {}, alg + " one byte less": raw[:2*half-1], alg + " one byte more": append(slices.Clone(raw), 0),
			alg + " one byte before": append([]byte{0}, raw...), alg + " each a byte longer": append(append([]byte{0}, raw[:half]...), append([]byte{0}, raw[half:]...)...),
			alg + " one byte less before": raw[1:], alg + " twice": append(slices.Clone(raw), raw...), alg + " half": raw[:half],
			alg + " r and s zero": pair(zero, zero), alg + " r zero": pair(zero, s), alg + " s zero": pair(r, zero), alg + " both one": pair(one, one),
			alg + " r is n": pair(n, s), alg + " s is n": pair(r, n), alg + " both n": pair(n, n), alg + " r after n": pair(after, s), alg + " s after n": pair(r, after),
			alg + " the largest": pair(most, most), alg + " the other way round": pair(s, r), alg + " r negative": pair(new(big.Int).Sub(n, r), s),
		})
		// The other s of the same r is as good (FIPS 186-5 §6.4.2), and modules that sign make
		// either; RFC 7518 asks for neither. So nothing may be kept by how a token is spelled.
		if !taken(key, resigned(text, pair(r, new(big.Int).Sub(n, s)))) {
			t.Errorf("%s: the other s is refused", alg)
		}
		// Both beyond the curve's order name the same number: one is enough.
		if sum := new(big.Int).Add(s, n); sum.Cmp(most) <= 0 && taken(key, resigned(text, pair(r, sum))) {
			t.Errorf("%s: s + n is taken", alg)
		}
	}
}

// RFC 8017 §8.1.2, §8.2.2: as long as the modulus, and less than it.
func TestAnRSASignatureIsOneNumberBelowTheModulus(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key := public(t, private.Public())
	for _, alg := range []string{"RS256", "PS256"} {
		input := ""
		var raw []byte
		for i := 0; raw == nil || raw[0] != 0; i++ { // one that begins with a zero can be written shorter
			input = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+alg+`"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"i":"`+strings.Repeat("i", i)+`"}`))
			digest := sha256.Sum256([]byte(input))
			if alg == "RS256" {
				raw, err = rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
			} else {
				raw, err = rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		number, size := new(big.Int).SetBytes(raw), len(raw)
		most := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(8*size)), big.NewInt(1))
		others := map[string][]byte{
			alg + " without its zero": raw[1:], alg + " with another zero": append([]byte{0}, raw...), alg + " with a zero behind": append(slices.Clone(raw), 0),
			alg + " one byte less": raw[:size-1], alg + " nothing": {}, alg + " 3072 bits": append(make([]byte, 128), raw...),
			alg + " zero": make([]byte, size), alg + " one": big.NewInt(1).FillBytes(make([]byte, size)), alg + " the modulus": private.N.FillBytes(make([]byte, size)),
			alg + " the modulus less one": new(big.Int).Sub(private.N, big.NewInt(1)).FillBytes(make([]byte, size)), alg + " the largest": most.FillBytes(make([]byte, size)),
		}
		if sum := new(big.Int).Add(number, private.N); sum.Cmp(most) <= 0 {
			others[alg+" and the modulus"] = sum.FillBytes(make([]byte, size))
		}
		refuse(t, key, resigned(input+".", raw), others)
	}
}

// RFC 8032 §5.1.7: S is below the order of the group, or one signature had several
// spellings.
func TestAnEdDSASignatureHasOneSpelling(t *testing.T) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	for _, alg := range []string{"EdDSA", "Ed25519"} {
		text := signed(t, private, alg)
		raw := signatureOf(t, text)
		s := slices.Clone(raw[32:])
		slices.Reverse(s) // it is little-endian
		others := map[string][]byte{
			"nothing": {}, "one byte less": raw[:63], "one byte more": append(slices.Clone(raw), 0), "zeros": make([]byte, 64), "S zero": append(slices.Clone(raw[:32]), make([]byte, 32)...),
		}
		for i := int64(1); i < 16; i++ {
			sum := new(big.Int).Add(new(big.Int).SetBytes(s), new(big.Int).Mul(order, big.NewInt(i)))
			if sum.BitLen() > 256 {
				break
			}
			more := sum.FillBytes(make([]byte, 32))
			slices.Reverse(more)
			others["S and the order, "+big.NewInt(i).String()+" times"] = append(slices.Clone(raw[:32]), more...)
		}
		if len(others) < 15 {
			t.Errorf("only %d others were tried", len(others))
		}
		refuse(t, public(t, private.Public()), text, others)
	}
}

// By a key of small order anybody signs: R = S·B fits whatever is signed.
func TestAnEd25519KeyByWhichAnybodySignsIsNotTaken(t *testing.T) {
	forged := make([]byte, 64)
	forged[0] = 1 // R is the identity, S zero
	open := 0
	for _, text := range []string{
		strings.Repeat("00", 32), "01" + strings.Repeat("00", 31), "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	} {
		for _, sign := range []byte{0, 0x80} {
			point, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			point[31] |= sign
			for i := range byte(64) {
				if ed25519.Verify(point, []byte{i}, forged) {
					open++
					break
				}
			}
			if _, err := jose.NewKey(ed25519.PublicKey(point)); err == nil {
				t.Errorf("%x is taken", point)
			}
		}
	}
	if open < 10 {
		t.Errorf("only %d of these keys are such", open)
	}
}

// RFC 7515 §2: base64url, without padding, blanks or bits to spare.
func TestASignatureIsWrittenInOneWay(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := public(t, p256.Public())
	text := signed(t, p256, "ES256")
	for !strings.ContainsAny(text[strings.LastIndexByte(text, '.'):], "-_") {
		text = signed(t, p256, "ES256")
	}
	dot := strings.LastIndexByte(text, '.') + 1
	part := text[dot:]
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, part[len(part)-1])
	spellings := map[string]string{
		"padding": part + "==", "one of padding": part + "=", "a blank": part + " ", "a blank before": " " + part, "a tab": part + "\t", "a line feed": part + "\n", "a line end within": part[:8] + "\r\n" + part[8:],
		"the other alphabet": strings.NewReplacer("-", "+", "_", "/").Replace(part), "escaped": strings.Replace(part, part[:1], "%41", 1),
	}
	for bits := 1; bits < 16; bits++ { // of 64 bytes the last character has four to spare
		spellings["bits to spare "+alphabet[last^bits:last^bits+1]] = part[:len(part)-1] + alphabet[last^bits:last^bits+1]
	}
	if !taken(key, text) {
		t.Fatal("the signature itself is not taken")
	}
	for name, spelling := range spellings {
		if _, err := jose.Parse(text[:dot] + spelling); err == nil {
			t.Errorf("%s: read", name)
		}
	}
}
