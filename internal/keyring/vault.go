package keyring

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Vault keeps private keys outside the store, in a hardware security module or a
// key service: they never leave it, it signs with them. Without one they are
// made in memory and kept sealed in the store.
//
// Its methods, and the signers that it returns, are called from several
// goroutines. A signer signs as [crypto.Signer] says: what RSA and ECDSA sign is
// a SHA-256, what Ed25519 signs the message.
type Vault interface {
	// Make makes a key that alg signs with. The reference is where Open finds
	// it, from whichever node; it is kept sealed.
	Make(ctx context.Context, alg Algorithm) (reference string, private crypto.Signer, err error)
	Open(ctx context.Context, reference string) (private crypto.Signer, err error)
	// Remove destroys a key that was made and is not used after all.
	Remove(ctx context.Context, reference string) error
}

// makeElsewhere makes a key in a vault.
func makeElsewhere(ctx context.Context, vault Vault, use Use, alg Algorithm) (*Key, error) {
	reference, private, err := vault.Make(ctx, alg)
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	key, err := keyElsewhere(use, reference, private)
	if err == nil && key.Algorithm != alg {
		err = fmt.Errorf("the vault made a key for %s, and was asked for %s", key.Algorithm, alg)
	}
	return key, err
}

// removeUnused destroys what was made for a rotation that another node was faster
// with, or that was refused.
func (r *Ring) removeUnused(ctx context.Context, made map[Algorithm]*Key, used string) {
	for _, key := range made {
		if key.reference == "" || key.KID == used {
			continue
		}
		if err := r.cfg.Vault.Remove(ctx, key.reference); err != nil {
			r.cfg.Logger.WarnContext(ctx, "a key that is not used stays in the vault", "key", key, "error", err)
		}
	}
}

// openElsewhere opens a key that is in a vault.
func openElsewhere(ctx context.Context, vault Vault, use Use, reference string) (*Key, error) {
	if vault == nil {
		return nil, errors.New("its private half is in a security module, and the configuration names none (keys.pkcs11)")
	}
	private, err := vault.Open(ctx, reference)
	if err != nil {
		return nil, err
	}
	return keyElsewhere(use, reference, private)
}

// keyElsewhere makes a vault's key ready for use, and tries it.
func keyElsewhere(use Use, reference string, private crypto.Signer) (*Key, error) {
	key, err := NewKey(use, private)
	if err != nil {
		return nil, err
	}
	key.reference = reference
	if reference == "" {
		return nil, errors.New("a vault that does not say where its key is")
	}
	if _, err := key.signElsewhere(private, []byte("sallyport: does this key sign?")); err != nil {
		return nil, fmt.Errorf("try the key: %w", err)
	}
	return key, nil
}

// signElsewhere has a vault sign, and returns the signature as a JWS has it. What
// comes back is verified: a faulty signature is an error here, not at whoever is
// given the token.
func (k *Key) signElsewhere(private crypto.Signer, signingInput []byte) (signature []byte, err error) {
	if private == nil {
		return nil, errors.New("no private half")
	}
	if k.Algorithm == EdDSA {
		signature, err = private.Sign(nil, signingInput, crypto.Hash(0))
	} else {
		digest := sha256.Sum256(signingInput)
		signature, err = private.Sign(nil, digest[:], crypto.SHA256)
	}
	if err != nil {
		return nil, err
	}
	if k.Algorithm == ES256 {
		var raw [rawSize]byte
		if err := rawFromDER(&raw, signature); err != nil {
			return nil, err
		}
		signature = raw[:]
	}
	if !k.Verify(signingInput, signature) {
		return nil, errors.New("the vault's signature is wrong")
	}
	return signature, nil
}
