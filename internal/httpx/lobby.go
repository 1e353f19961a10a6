package httpx

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Lobby is a listener whose connections cost next to nothing while they do nothing.
//
// net/http keeps a goroutine and two buffers for each connection, 20 KB and more, also
// while a client that may or may not come back keeps it open. Here a connection of
// HTTP/1 that has been idle for a moment is taken from net/http, as if the client had
// closed it, and waits in the lobby; when something comes on it, it is given to
// net/http again, as if it were new. Neither side sees anything of it.
//
// A connection goes to the lobby only between two requests, when nothing of the next
// one has come. Those of HTTP/2 stay with net/http. TLS is established here, since
// net/http would not give the connection back.
type Lobby struct {
	net.Listener
	tls    *tls.Config // nil: plain
	after  time.Duration
	begin  time.Duration // how long TLS may take, as with net/http
	server *http.Server

	ready   chan arrival
	closed  chan struct{}
	close   sync.Once
	resting resting
}

// arrival is what Accept returns.
type arrival struct {
	conn net.Conn
	err  error
}

// restAfter is how long a connection is idle before it goes to the lobby.
const restAfter = time.Second

// NewLobby returns a lobby for connections of l that a server is to serve. Its TLS is
// the server's. After is how long a connection is idle before it goes to the lobby; 0:
// a second.
func NewLobby(l net.Listener, s *http.Server, after time.Duration) *Lobby {
	y := &Lobby{Listener: l, after: cmp.Or(after, restAfter), begin: cmp.Or(s.ReadHeaderTimeout, readHeaderTimeout), server: s, ready: make(chan arrival), closed: make(chan struct{})}
	if s.TLSConfig != nil {
		y.tls = s.TLSConfig.Clone() // the server will write to its own
	}
	go y.run()
	return y
}

// Accept implements net.Listener.
func (l *Lobby) Accept() (net.Conn, error) {
	select {
	case a := <-l.ready:
		return a.conn, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Who waits in the lobby has no request under way.
func (l *Lobby) Close() error {
	err := net.ErrClosed
	l.close.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
		l.resting.end()
	})
	return err
}

func (l *Lobby) run() {
	for {
		conn, err := l.Listener.Accept()
		switch {
		case err == nil && l.tls != nil:
			go l.secure(conn)
			continue
		case err == nil:
			conn = &guest{Conn: conn, lobby: l, socket: conn}
		case errors.Is(err, net.ErrClosed):
			return
		}
		l.offer(conn, err) // net/http waits after an error, and so do we
	}
}

// offer gives a connection to net/http, or closes it if that takes no more.
func (l *Lobby) offer(conn net.Conn, err error) {
	select {
	case l.ready <- arrival{conn, err}:
	case <-l.closed:
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// secure establishes TLS as net/http does.
func (l *Lobby) secure(socket net.Conn) {
	conn := tls.Server(socket, l.tls)
	_ = conn.SetDeadline(time.Now().Add(l.begin)) //nolint:forbidigo // the network's clock, not ours
	if err := conn.HandshakeContext(context.Background()); err != nil {
		reason := err.Error()
		var not tls.RecordHeaderError
		if errors.As(err, &not) && not.Conn != nil && isHTTP(not.RecordHeader) {
			reason = "an HTTP request was sent to a port of HTTPS"
			_, _ = io.WriteString(not.Conn, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nThis port speaks HTTPS: use https:// in the URL.\n")
		}
		l.server.ErrorLog.Printf("TLS handshake with %s: %s", socket.RemoteAddr(), reason)
		_ = conn.Close()
		_ = socket.Close() // where TLS leaves it open
		return
	}
	_ = conn.SetDeadline(time.Time{})
	switch conn.ConnectionState().NegotiatedProtocol {
	case "", "http/1.1", "http/1.0":
		l.offer(&securedGuest{guest{Conn: conn, lobby: l, socket: socket}, conn}, nil)
	default:
		l.offer(conn, nil)
	}
}

// isHTTP reports whether what came in place of TLS is the beginning of a request.
func isHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH":
		return true
	}
	return false
}

// guest is a connection of HTTP/1 while net/http has it.
type guest struct {
	net.Conn
	lobby  *Lobby
	socket net.Conn // beneath TLS
	room   int      // how much net/http reads into an empty buffer
	idle   bool     // between two requests
	until  time.Time

	mu           sync.Mutex
	left, closed bool
}

// securedGuest is one whose requests have come by TLS.
type securedGuest struct {
	guest
	tls *tls.Conn
}

// ConnectionState tells net/http of TLS.
func (s *securedGuest) ConnectionState() tls.ConnectionState { return s.tls.ConnectionState() }

// rest is called when a request is done, and before net/http sets the deadline until
// which it waits for the next.
func (g *guest) rest() { g.idle = true }

// SetReadDeadline implements net.Conn.
func (g *guest) SetReadDeadline(t time.Time) error {
	if g.idle {
		g.until = t
		if soon := time.Now().Add(g.lobby.after); t.IsZero() || soon.Before(t) { //nolint:forbidigo // the network's clock
			t = soon
		}
	}
	return g.Conn.SetReadDeadline(t)
}

// Read implements net.Conn. It is called by one goroutine at a time, and while the
// connection is idle by the one that called rest.
func (g *guest) Read(p []byte) (int, error) {
	if g.room == 0 {
		g.room = len(p)
	}
	if !g.idle {
		return g.Conn.Read(p)
	}
	g.idle = false
	n, err := g.Conn.Read(p)
	if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		_ = g.Conn.SetReadDeadline(g.until) // too little has come, perhaps
		return n, err
	}
	// Less room than at first: some of the next request is in the buffer.
	if len(p) == g.room && g.leave() {
		return 0, io.EOF
	}
	if err := g.Conn.SetReadDeadline(g.until); err != nil {
		return 0, err
	}
	return g.Conn.Read(p)
}

// leave goes to the lobby, if there is a way to wait there.
func (g *guest) leave() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.Conn.SetReadDeadline(time.Time{}) != nil {
		return false
	}
	g.left = g.lobby.resting.add(g.lobby, rester{g.Conn, g.socket, g.until})
	return g.left
}

// Close implements net.Conn. A connection that has left net/http stays open.
func (g *guest) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left {
		return nil
	}
	g.closed = true
	return g.Conn.Close()
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
	until  time.Time // zero: for ever
}

// wake gives it to net/http again.
func (r rester) wake(l *Lobby) {
	if conn, ok := r.Conn.(*tls.Conn); ok {
		l.offer(&securedGuest{guest{Conn: conn, lobby: l, socket: r.socket}, conn}, nil)
		return
	}
	l.offer(&guest{Conn: r.Conn, lobby: l, socket: r.socket}, nil)
}
