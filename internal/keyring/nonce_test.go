package keyring

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"testing"
)

// What either way has sealed opens the other way: records outlive builds.
func TestSealingIsThatOfTheStandardLibrary(t *testing.T) {
	block, err := aes.NewCipher(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Skipf("this build has none: %v", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	ours := randomNonce{gcm}
	if ours.Overhead() != theirs.Overhead() || ours.NonceSize() != theirs.NonceSize() {
		t.Errorf("overhead %d, nonce %d; want %d, %d", ours.Overhead(), ours.NonceSize(), theirs.Overhead(), theirs.NonceSize())
	}
	plain, more := []byte("a key"), []byte("its place")
	for _, tt := range []struct{ seals, opens cipher.AEAD }{{ours, theirs}, {theirs, ours}, {ours, ours}} {
		sealed := tt.seals.Seal([]byte("head"), nil, plain, more)
		if got, err := tt.opens.Open(nil, nil, sealed[4:], more); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("got %q, %v", got, err)
		}
		if _, err := tt.opens.Open(nil, nil, sealed[4:], []byte("another place")); err == nil {
			t.Error("it opens at another place")
		}
	}
	if _, err := ours.Open(nil, nil, []byte("short"), more); err == nil {
		t.Error("something too short opens")
	}
}
