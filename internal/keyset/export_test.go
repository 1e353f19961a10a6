package keyset

import "net/netip"

// Permitted reports whether an address is connected to where nothing is allowed.
func Permitted(addr netip.Addr) bool { return permitted(addr, nil, notPublic()) }

// Touch makes room for a URL without reading it.
func Touch(s *Sets, target string) { s.set(target) }

// Len is how many URLs are known.
func Len(s *Sets) int { return len(s.sets) }
