package keyring

import "crypto/ed25519"

// SeedOf returns the secret of an Ed25519 key, to look for where it must not be.
func SeedOf(k *Key) []byte {
	private, _ := k.private().(ed25519.PrivateKey)
	return private.Seed()
}

// The two forms of an ECDSA signature.
var (
	DERFromRaw = derFromRaw
	RawFromDER = rawFromDER
)
