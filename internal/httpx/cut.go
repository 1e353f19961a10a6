package httpx

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
)

// ErrStopping is the cause by which requests end that are under way when a node has no
// more time to stop.
var ErrStopping = errors.New("the node stops")

// cut ends the connection of an answer that is not whole. Over HTTP/1.0 the end of the
// connection is the end of the body: it is reset, and TLS says no goodbye, so that
// nobody takes the part for the whole. Over others net/http ends the answer so that
// this is seen.
func cut(w http.ResponseWriter, r *http.Request) {
	if r.ProtoAtLeast(1, 1) {
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	switch c := conn.(type) {
	case *tls.Conn:
		conn = c.NetConn()
	case interface{ beneath() net.Conn }: // of a lobby
		conn = c.beneath()
	}
	if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// Hijack implements http.Hijacker. Who takes a connection has changed protocols.
func (w *statusWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && w.status == 0 {
		w.status = http.StatusSwitchingProtocols
	}
	return conn, buffered, err
}
