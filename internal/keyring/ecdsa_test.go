package keyring_test

import (
	"bytes"
	"encoding/asn1"
	"math/big"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/keyring"
)

// FuzzRawFromDER holds that the two forms of a signature are converted as
// encoding/asn1 does, in both directions.
func FuzzRawFromDER(f *testing.F) {
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Add(make([]byte, 64))
	f.Add(append(make([]byte, 31), append([]byte{1, 0x80}, make([]byte, 31)...)...))
	f.Add([]byte{0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01})
	f.Fuzz(func(t *testing.T, data []byte) {
		var raw [64]byte
		_ = keyring.RawFromDER(&raw, data) // whatever it is, no panic
		if len(data) != 64 {
			return
		}
		der := keyring.DERFromRaw(nil, data)
		want, err := asn1.Marshal([]*big.Int{new(big.Int).SetBytes(data[:32]), new(big.Int).SetBytes(data[32:])})
		if err != nil || !bytes.Equal(der, want) {
			t.Fatalf("%x in DER is %x, want %x (%v)", data, der, want, err)
		}
		if raw = [64]byte{}; keyring.RawFromDER(&raw, der) != nil || !bytes.Equal(raw[:], data) {
			t.Fatalf("%x came back as %x", data, raw)
		}
	})
}
