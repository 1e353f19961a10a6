package gateway

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/latency"
	"github.com/sallyport-dev/sallyport/internal/relay"
)

// visits counts what becomes of the calls at an API's own server. It outlives a
// change of the catalogue.
type visits struct {
	underWay atomic.Int64
	answered latency.Counter // until the answer's head
	failed   [4]atomic.Int64 // by failures
}

// failures are the codes by which a call ends that its upstream did not answer.
func failures() [4]string {
	return [...]string{codeBadGateway, codeTimeout, clientGone, codeInvalidRequest}
}

func (v *visits) fail(code string) {
	for i, known := range failures() {
		if known == code {
			v.failed[i].Add(1)
		}
	}
}

// Upstream is what became of the calls at an API's own server since the start of the
// program.
type Upstream struct {
	API      string
	UnderWay int64 // now
	Took     latency.Histogram
	Total    time.Duration
	Failed   map[string]int64 // by code
}

// Upstreams returns what became of calls at the servers of all APIs.
func (g *Gateway) Upstreams() []Upstream {
	p := g.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Upstream
	for name, v := range p.visited {
		u := Upstream{API: name, UnderWay: v.underWay.Load(), Failed: map[string]int64{}}
		u.Took, u.Total = v.answered.Load()
		for i, code := range failures() {
			u.Failed[code] = v.failed[i].Load()
		}
		out = append(out, u)
	}
	return out
}

// Connections is how many connections to a server are open, and were opened since the
// start of the program.
type Connections struct {
	Address      string
	Open, Opened int64
}

// Connections returns those to every upstream.
func (g *Gateway) Connections() []Connections {
	p := g.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Connections
	for address, n := range p.connections {
		out = append(out, Connections{address, n.Open.Load(), n.Opened.Load()})
	}
	return out
}

// connectionsTo returns the count of an address. p.mu is held.
func (p *proxy) connectionsTo(address string) *relay.Connections {
	n := p.connections[address]
	if n == nil {
		n = &relay.Connections{}
		p.connections[address] = n
	}
	return n
}

// dial opens connections for http.Transport, each within that time.
func (p *proxy) dial(within time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: within, KeepAlive: 30 * time.Second}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		n := p.connectionsTo(address)
		p.mu.Unlock()
		return n.Watch(conn), nil
	}
}

// visit returns the counts of an API.
func (p *proxy) visit(api string) *visits {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.visited[api]
	if v == nil {
		v = &visits{}
		p.visited[api] = v
	}
	return v
}
