package httpx

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// guest is a connection of HTTP/1 while net/http has it.
type guest struct {
	net.Conn
	lobby  *Lobby
	socket net.Conn      // beneath TLS
	after  time.Duration // idle for as long, it leaves

	mu     sync.Mutex
	phase  phase
	room   int       // how much net/http reads into an empty buffer
	asked  time.Time // the deadline that net/http has set for the wait
	until  time.Time // the end of the wait, over all stays in the lobby
	back   bool      // from the lobby, and not read from since
	left   bool
	closed bool
}

// phase is where a guest is between two requests. A connection that left at any other
// moment would make a request of what is left of one: it leaves only in the first read
// of net/http's wait.
type phase uint8

const (
	serving phase = iota // a request is under way, or has begun
	served               // net/http is about to say until when it waits for the next
	waiting              // it has said so, and has read nothing since
)

// securedGuest is one whose requests have come by TLS.
type securedGuest struct {
	guest
	tls *tls.Conn
}

// ConnectionState tells net/http of TLS.
func (s *securedGuest) ConnectionState() tls.ConnectionState { return s.tls.ConnectionState() }

// rest is called when a request is done, and before net/http sets the deadline until
// which it waits for the next.
func (g *guest) rest() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.phase, g.back = served, false
}

// SetReadDeadline implements net.Conn. The one that net/http sets after rest is that of
// its wait. With any other it does not wait any more: the next request is in its buffer
// already, or somebody else than net/http has a say.
func (g *guest) SetReadDeadline(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch g.phase {
	case serving:
	case served:
		g.phase, g.asked = waiting, t
		if !g.back {
			g.until = t
		}
		soon := time.Now().Add(g.after) //nolint:forbidigo // the network's clock
		t = earlier(soon, earlier(g.asked, g.until))
	case waiting:
		g.phase = serving
	}
	return g.Conn.SetReadDeadline(t)
}

// SetDeadline implements net.Conn, for whoever has taken the connection from net/http.
func (g *guest) SetDeadline(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.phase = serving
	return g.Conn.SetDeadline(t)
}

// earlier returns the earlier of two deadlines; zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Read implements net.Conn.
func (g *guest) Read(p []byte) (int, error) {
	g.mu.Lock()
	if g.room == 0 {
		g.room = len(p)
	}
	// Less room than at first: some of the next request is in the buffer.
	empty, first := len(p) == g.room, g.phase == waiting
	g.mu.Unlock()
	n, err := g.Conn.Read(p)
	if !first {
		return n, err
	}
	again, err := g.waited(n, err, empty)
	if again {
		return g.Conn.Read(p)
	}
	return n, err
}

// waited is called after the first read of a wait, and decides how that goes on: here,
// if there is to be another read; in the lobby, if it ends with io.EOF.
func (g *guest) waited(n int, err error, empty bool) (again bool, _ error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.phase != waiting {
		return false, err // by a deadline of somebody else
	}
	g.phase = serving
	switch {
	case n > 0 || !errors.Is(err, os.ErrDeadlineExceeded):
		_ = g.Conn.SetReadDeadline(g.asked) // too little has come, perhaps
		return false, err
	case !g.until.IsZero() && !time.Now().Before(g.until): //nolint:forbidigo // the network's clock
		return false, err
	case empty && g.leave():
		return false, io.EOF
	}
	if err := g.Conn.SetReadDeadline(g.asked); err != nil {
		return false, err
	}
	return true, nil
}

// leave goes to the lobby, if there is a way to wait there.
func (g *guest) leave() bool {
	if g.closed || g.Conn.SetReadDeadline(time.Time{}) != nil {
		return false
	}
	g.left = g.lobby.resting.add(g.lobby, rester{g.Conn, g.socket, g.until, g.after, time.Now()}) //nolint:forbidigo // the network's clock
	return g.left
}

// Close implements net.Conn. A connection that has left net/http stays open.
func (g *guest) Close() error {
	g.mu.Lock()
	left := g.left
	g.closed = !left
	g.mu.Unlock()
	if left {
		return nil
	}
	return g.Conn.Close() // over TLS it says goodbye, which may take a while
}

// CloseWrite is what net/http calls before it closes a connection on which more may
// come than it reads.
func (g *guest) CloseWrite() error {
	if c, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// beneath returns the connection without TLS.
func (g *guest) beneath() net.Conn { return g.socket }

// rester is a connection in the lobby.
type rester struct {
	net.Conn
	socket net.Conn
	until  time.Time     // zero: for ever
	after  time.Duration // of the guest that it was
	since  time.Time
}

// wake gives it to net/http again. It waits still: what came may be no more than a part
// of a record of TLS, of which net/http sees nothing, and then it goes back.
func (r rester) wake(l *Lobby) {
	// To leave and come back costs as much as a small request. Who comes back at once
	// stays for longer the next time.
	if time.Since(r.since) < worth*r.after { //nolint:forbidigo // the network's clock
		r.after = min(2*r.after, mostAfter*l.after)
	} else {
		r.after = l.after
	}
	l.offer(r.guest(l, served), nil)
}

const (
	worth     = 2 // a stay is that is as many times as long as what it waited for
	mostAfter = 4
)

// guest makes it net/http's: one that is new, or one that waits still.
func (r rester) guest(l *Lobby, phase phase) net.Conn {
	conn, secured := r.Conn.(*tls.Conn)
	if !secured {
		return &guest{Conn: r.Conn, lobby: l, socket: r.socket, after: r.after, phase: phase, until: r.until, back: phase == served}
	}
	return &securedGuest{guest{Conn: r.Conn, lobby: l, socket: r.socket, after: r.after, phase: phase, until: r.until, back: phase == served}, conn}
}
