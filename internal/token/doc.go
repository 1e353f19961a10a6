// Package token mints and verifies what Sallyport signs: the access tokens of
// CONTRACT §3 and the short-lived identity JWTs that upstreams get. Both are
// JWS in compact form (RFC 7515 §3.1) holding a JWT (RFC 7519).
//
// Minting ([Mint], [MintIdentity]) writes the claims by hand into one pooled
// buffer behind the key's ready-made header and lets the key sign it: beside the
// signature it costs next to nothing.
//
// Verifying ([Verifier.Verify]) goes: length, three segments, header, key by
// kid, signature, claims. A token that passed is remembered, whole, and the next
// time costs one look-up.
//
// Invariants:
//
//   - Nothing a token says chooses how it is verified: the algorithm is the
//     key's, keys come from the ring alone, and no header parameter that would
//     change the reading of the token is tolerated (RFC 8725 §3.1, §3.5, §3.10).
//   - No claim is believed before the signature is.
//   - A token has one spelling: what differs from it in padding, trailing bits,
//     repeated members or number formats is refused.
//   - What is remembered is the [Principal], never a decision: key and times are
//     looked at again on every use.
//   - No error, log line or printed value holds a token.
//
// What it does not do: decide what a principal may do (policy), know about
// revoked tokens, apps and organizations (snapshot), or read other issuers'
// tokens (issuer, which remembers them by the same [Memory]).
package token
