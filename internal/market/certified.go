package market

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/netip"
	"slices"
	"strings"
)

// Matches reports whether a certificate says this name (RFC 8705 §2.1.2). Nothing
// is a pattern: a wildcard in a certificate names no client.
func (n Name) Matches(c *x509.Certificate) bool {
	switch n.Type {
	case SubjectDN:
		want, ok := parseDN(n.Value)
		subject, read := subject(c)
		return ok && read && want.is(subject)
	case SANDNS:
		return slices.ContainsFunc(c.DNSNames, func(name string) bool { return strings.EqualFold(name, n.Value) })
	case SANURI:
		for _, u := range c.URIs {
			if u.String() == n.Value {
				return true
			}
		}
	case SANIP:
		want, err := netip.ParseAddr(n.Value)
		for _, ip := range c.IPAddresses {
			if addr, ok := netip.AddrFromSlice(ip); ok && err == nil && addr.Unmap() == want.Unmap() {
				return true
			}
		}
	case SANEmail:
		return slices.ContainsFunc(c.EmailAddresses, func(address string) bool { return sameMailbox(address, n.Value) })
	}
	return false
}

// subject reads a certificate's subject as it is encoded: what pkix.Name keeps has
// no order.
func subject(c *x509.Certificate) (distinguishedName, bool) {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(c.RawSubject, &sequence); err != nil || len(rest) > 0 {
		return nil, false
	}
	return subjectOf(sequence)
}

// sameMailbox compares addresses: the part after @ is a host's name, in any case
// (RFC 5280 §7.5).
func sameMailbox(a, b string) bool {
	atA, atB := strings.LastIndexByte(a, '@'), strings.LastIndexByte(b, '@')
	return atA > 0 && atA == atB && a[:atA] == b[:atB] && strings.EqualFold(a[atA:], b[atB:])
}
