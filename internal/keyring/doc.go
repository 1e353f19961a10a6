// Package keyring holds the signing keys of an environment: it makes them,
// keeps them sealed in the store, publishes their public halves, says which one
// signs now and which ones verify, and replaces them in time.
//
// A key's life ([Record]): it is published; when every node that may be serving
// holds it, it is decided when it will sign, a lead time longer than any cache of
// the JWKS after it was made; it signs, it is superseded, and when the last token
// that it signed has expired it is gone. What was decided is a matter of the clock
// alone: a node that is told nothing for a while still switches when the others do.
//
// Flow. [Open] reads and unseals the keys, and makes the first ones. [Ring.Tick],
// called now and then on every node, starts a rotation when one is due, and
// decides. A change goes through [Store.UpdateSigningKeys], which lets one node at a
// time decide, and reaches the others by the change feed, which calls [Ring.Reload].
// Which keys a node holds ([Ring.Held]) its server tells the others.
//
// Invariants:
//
//   - At no instant is a token refused that was signed by a key that was not
//     revoked: a key signs only once every node verifies by it, and a superseded
//     one verifies until no node can be signing with it any more, and for the
//     longest token and the leeway after that.
//   - A key verifies only if its private half could be unsealed and belongs to
//     its public half and its kid. Who can write the database but has not the
//     sealing key cannot make this installation trust a key.
//   - A use has its own keys, an environment has its own ring: neither is shared.
//   - The hot paths, [Ring.Signer] and [Ring.Lookup], read one immutable set by
//     one atomic load, and allocate nothing.
//
// What it does not do: build or read tokens (package token), fetch the keys of
// other issuers, or delete records: what was once trusted stays on record.
package keyring
