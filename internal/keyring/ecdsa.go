package keyring

import "errors"

// crypto/ecdsa speaks DER, SEQUENCE { INTEGER r, INTEGER s }; a JWS has r and s
// side by side, each as long as the curve (RFC 7518 §3.4). The two forms are
// converted here by hand: encoding/asn1 and math/big cost a tenth of the
// signature.

const (
	scalarSize = 32 // P-256
	rawSize    = 2 * scalarSize
	maxDER     = 2 + 2*(2+1+scalarSize)
)

// derFromRaw appends the DER form of raw, which is rawSize long. Zero and too
// large numbers are left for the verification to refuse.
//
//nolint:gosec // no length is above maxDER, which fits in a byte
func derFromRaw(dst, raw []byte) []byte {
	start := len(dst)
	dst = append(dst, 0x30, 0)
	for _, n := range [2][]byte{raw[:scalarSize], raw[scalarSize:rawSize]} {
		for len(n) > 1 && n[0] == 0 {
			n = n[1:]
		}
		if n[0] >= 0x80 { // an INTEGER has a sign
			dst = append(dst, 0x02, byte(len(n)+1), 0)
		} else {
			dst = append(dst, 0x02, byte(len(n)))
		}
		dst = append(dst, n...)
	}
	dst[start+1] = byte(len(dst) - start - 2)
	return dst
}

// rawFromDER writes the raw form of a signature that crypto/ecdsa made.
func rawFromDER(raw *[rawSize]byte, der []byte) error {
	if len(der) < 2 || der[0] != 0x30 || int(der[1]) != len(der)-2 {
		return errDER
	}
	der = der[2:]
	for i := range 2 {
		if len(der) < 2 || der[0] != 0x02 || int(der[1]) > len(der)-2 {
			return errDER
		}
		n := der[2 : 2+int(der[1])]
		der = der[2+int(der[1]):]
		for len(n) > 0 && n[0] == 0 {
			n = n[1:]
		}
		if len(n) > scalarSize {
			return errDER
		}
		copy(raw[(i+1)*scalarSize-len(n):], n)
	}
	if len(der) != 0 {
		return errDER
	}
	return nil
}

var errDER = errors.New("not a DER signature of P-256")
