package httpx

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks of the proxies before us that are believed about who
// called them. None: the address of the connection is the caller's.
type Proxies []netip.Prefix

// maxHops is how many addresses of X-Forwarded-For are read; no chain of proxies
// is as long.
const maxHops = 32

// caller returns the address of whoever called the outermost of our proxies. Each
// proxy appends the address that it was called from, so the header is read from its
// end: what stands before the first address that is no proxy of ours was written
// by that caller, and may be anything.
func (p Proxies) caller(r *http.Request) netip.Addr {
	addr := RemoteAddr(r)
	if !p.contains(addr) {
		return addr
	}
	lines := r.Header["X-Forwarded-For"]
	hops := 0
	for _, line := range slices.Backward(lines) {
		for line != "" {
			i := strings.LastIndexByte(line, ',')
			hop, ok := parseHop(strings.Trim(line[i+1:], " \t"))
			if hops++; !ok || hops > maxHops {
				return addr // the last that one of ours has vouched for
			}
			if addr = hop; !p.contains(addr) {
				return addr
			}
			line = line[:max(0, i)]
		}
	}
	return addr
}

func (p Proxies) contains(addr netip.Addr) bool {
	return slices.ContainsFunc(p, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// parseHop reads an address as proxies write it: alone, in brackets, or with the
// port that some add.
func parseHop(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		with, err := netip.ParseAddrPort(text)
		if err != nil {
			return netip.Addr{}, false
		}
		addr = with.Addr()
	}
	return addr.Unmap().WithZone(""), true
}

// unmask makes r one whose caller has called us without a proxy between: what is
// logged, limited and told upstreams goes by r.RemoteAddr.
func (p Proxies) unmask(r *http.Request) {
	if len(p) == 0 {
		return
	}
	if addr := p.caller(r); addr.IsValid() && addr != RemoteAddr(r) {
		r.RemoteAddr = net.JoinHostPort(addr.String(), "0") // nobody has told the port
	}
}
