package keyset

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// errAddress is returned for an address that is not connected to.
var errAddress = errors.New("it is at an address that is not public")

// notPublic lists the networks that no public key set is in, beyond what
// [netip.Addr] knows by itself (RFC 6890 and its successors).
func notPublic() []netip.Prefix {
	var out []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8",        // this network
		"100.64.0.0/10",    // carriers' own (RFC 6598)
		"168.63.129.16/32", // a cloud's host, from within
		"192.0.0.0/24",     // protocols
		"192.0.2.0/24",     // documentation
		"192.88.99.0/24",   // 6to4 relays
		"198.18.0.0/15",    // benchmarks
		"198.51.100.0/24",  // documentation
		"203.0.113.0/24",   // documentation
		"240.0.0.0/4",      // reserved, and broadcast
		"::/96",            // IPv4 in disguise
		"64:ff9b::/96",     // IPv4 behind NAT64
		"64:ff9b:1::/48",   // the same, of a network's own
		"100::/64",         // discard
		"2001::/23",        // protocols, Teredo
		"2001:db8::/32",    // documentation
		"2002::/16",        // 6to4: IPv4 in disguise
		"3fff::/20",        // documentation
		"5f00::/16",        // segment routing
		"fec0::/10",        // site-local
	} {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// dialer returns a dialer that judges each address right before it connects: after
// the name was resolved, so that no name and no change of one leads elsewhere.
func (s *Sets) dialer() *net.Dialer {
	closed := notPublic()
	return &net.Dialer{
		Timeout: maxTime,
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return errAddress
			}
			if addr := to.Addr().Unmap().WithZone(""); !permitted(addr, s.Allow, closed) {
				return fmt.Errorf("%w: %s", errAddress, addr)
			}
			return nil
		},
	}
}

// permitted reports whether an address may be connected to.
func permitted(addr netip.Addr, allow, closed []netip.Prefix) bool {
	in := func(p netip.Prefix) bool { return p.Contains(addr) }
	if slices.ContainsFunc(allow, in) {
		return true
	}
	return addr.IsGlobalUnicast() && !addr.IsPrivate() && !addr.IsLoopback() && !addr.IsLinkLocalUnicast() && !slices.ContainsFunc(closed, in)
}
