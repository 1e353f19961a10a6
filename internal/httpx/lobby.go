package httpx

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime/debug"
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

// Between two attempts to accept a connection, after one that failed.
const (
	leastPause = 5 * time.Millisecond
	mostPause  = time.Second
)

func (l *Lobby) run() {
	handshakes, stop := context.WithCancel(context.Background())
	defer stop()
	for pause := leastPause; ; {
		conn, err := l.Listener.Accept()
		switch {
		case err == nil && l.tls != nil:
			go l.secure(handshakes, conn)
		case err == nil:
			l.offer(rester{Conn: conn, socket: conn, after: l.after}.guest(l, serving), nil)
		case !passing(err):
			l.offer(nil, err) // the server ends by it
			return
		default:
			// The server would wait as long, and take nobody from the lobby meanwhile.
			l.server.ErrorLog.Printf("http: Accept error: %v; retrying in %v", err, pause)
			select {
			case <-time.After(pause):
			case <-l.closed:
				return
			}
			pause = min(2*pause, mostPause)
			continue
		}
		pause = leastPause
	}
}

// passing reports whether there may be another connection after an error: there are
// too many open files, say.
func passing(err error) bool {
	var e interface{ Temporary() bool }
	return errors.As(err, &e) && e.Temporary()
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

// secure establishes TLS as net/http does, until ctx ends.
func (l *Lobby) secure(ctx context.Context, socket net.Conn) {
	defer func() {
		if p := recover(); p != nil { // of whoever chooses a certificate
			_ = socket.Close()
			l.server.ErrorLog.Printf("http: panic serving %v: %v\n%s", socket.RemoteAddr(), p, debug.Stack())
		}
	}()
	conn := tls.Server(socket, l.tls)
	_ = conn.SetDeadline(time.Now().Add(l.begin)) //nolint:forbidigo // the network's clock, not ours
	if err := conn.HandshakeContext(ctx); err != nil {
		l.refuse(ctx, conn, err)
		return
	}
	_ = conn.SetDeadline(time.Time{})
	switch conn.ConnectionState().NegotiatedProtocol {
	case "", "http/1.1", "http/1.0":
		l.offer(rester{Conn: conn, socket: socket, after: l.after}.guest(l, serving), nil)
	default:
		l.offer(conn, nil)
	}
}

// refuse ends a connection with which there is no TLS.
func (l *Lobby) refuse(ctx context.Context, conn *tls.Conn, err error) {
	reason := err.Error()
	var not tls.RecordHeaderError
	if errors.As(err, &not) && not.Conn != nil && isHTTP(not.RecordHeader) {
		reason = "an HTTP request was sent to a port of HTTPS"
		_, _ = io.WriteString(not.Conn, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nThis port speaks HTTPS: use https:// in the URL.\n")
	}
	if ctx.Err() == nil {
		l.server.ErrorLog.Printf("TLS handshake with %s: %s", conn.RemoteAddr(), reason)
	}
	_ = conn.NetConn().Close() // no goodbye: there was no TLS
}

// isHTTP reports whether what came in place of TLS is the beginning of a request.
func isHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH":
		return true
	}
	return false
}
