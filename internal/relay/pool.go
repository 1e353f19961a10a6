package relay

import (
	"sync"
	"time"
)

// pool keeps the connections that wait to be used again. Nothing reads from
// them: what came meanwhile is looked for when one is taken.
type pool struct {
	idle   time.Duration
	most   int
	mu     sync.Mutex
	conns  []*conn // the longest waiting first
	timer  *time.Timer
	closed bool
}

// take returns a connection that can be used; nil if there is none. The last one
// that was given back is the likeliest to be.
func (p *pool) take() *conn {
	for {
		p.mu.Lock()
		last := len(p.conns) - 1
		if last < 0 {
			p.mu.Unlock()
			return nil
		}
		cn := p.conns[last]
		p.conns[last] = nil
		p.conns = p.conns[:last]
		p.mu.Unlock()
		if after(-p.idle).Before(cn.since) && cn.quiet() {
			return cn
		}
		_ = cn.Close()
	}
}

// put takes a connection back.
func (p *pool) put(cn *conn) {
	cn.since = after(0)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.conns) >= p.most {
		_ = cn.Close()
		return
	}
	p.conns = append(p.conns, cn)
	if p.timer == nil {
		p.timer = time.AfterFunc(p.idle, p.sweep)
	}
}

// sweep closes the connections that have waited for too long. It runs only while
// some wait.
func (p *pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = nil
	limit := after(-p.idle)
	old := 0
	for old < len(p.conns) && !p.conns[old].since.After(limit) {
		_ = p.conns[old].Close()
		old++
	}
	n := copy(p.conns, p.conns[old:])
	clear(p.conns[n:])
	p.conns = p.conns[:n]
	if n > 0 && !p.closed {
		p.timer = time.AfterFunc(p.conns[0].since.Sub(limit), p.sweep)
	}
}

// close closes all that wait, and lets none wait from now on.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	for _, cn := range p.conns {
		_ = cn.Close()
	}
	p.conns = nil
}

// quiet reports whether the connection is open, and nothing came on it that
// nobody asked for (RFC 9112 §9.2): such bytes would be taken for the next
// answer.
func (cn *conn) quiet() bool {
	if cn.raw == nil || !silent(cn.raw) {
		return false
	}
	if cn.client.TLS == nil {
		return true
	}
	// What TLS has received and not given out is not on the socket any more. With
	// a deadline that has passed it gives out that, and does not wait.
	cn.until = time.Time{}
	if cn.SetReadDeadline(past) != nil {
		return false
	}
	var one [1]byte
	n, err := cn.Read(one[:])
	return n == 0 && timedOut(err)
}
