// Package arch holds no code, only the tests that keep the architecture true:
// which package may import which, which few may touch secrets in the clear, SQL,
// HTTP or key material, and which modules we depend on.
package arch
