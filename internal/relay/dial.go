package relay

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// dial opens a connection.
func (c *Client) dial(ctx context.Context) (*conn, error) {
	plain, err := c.dialer.DialContext(ctx, "tcp", c.Address)
	if err != nil {
		return nil, &StageError{Connecting, err}
	}
	watched := c.Connections.Watch(plain)
	cn := &conn{Conn: watched, client: c}
	if sc, ok := plain.(syscall.Conn); ok {
		if cn.raw, err = sc.SyscallConn(); err != nil {
			cn.raw = nil // it is not used again, then
		}
	}
	if c.TLS == nil {
		return cn, nil
	}
	if cn.Conn, err = c.handshake(ctx, watched); err != nil {
		_ = watched.Close()
		return nil, &StageError{Securing, err}
	}
	return cn, nil
}

// handshake speaks TLS over plain, and HTTP/1.1 over that.
func (c *Client) handshake(ctx context.Context, plain net.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Dial)
	defer cancel()
	conn := tls.Client(plain, c.TLS)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	if chosen := conn.ConnectionState().NegotiatedProtocol; chosen != "" && chosen != "http/1.1" {
		return nil, fmt.Errorf("%w: the server speaks %s", ErrMalformed, chosen)
	}
	return conn, nil
}

// Connections counts connections to a server. The zero Connections has counted none.
type Connections struct{ Open, Opened atomic.Int64 }

// Watch counts conn until what it returns, which is to be used in its place, is closed.
func (n *Connections) Watch(conn net.Conn) net.Conn {
	if n == nil {
		return conn
	}
	n.Open.Add(1)
	n.Opened.Add(1)
	return &watched{Conn: conn, ended: sync.OnceFunc(func() { n.Open.Add(-1) })}
}

// watched is a connection that is counted.
type watched struct {
	net.Conn
	ended func()
}

// Close implements net.Conn.
func (w *watched) Close() error {
	w.ended()
	return w.Conn.Close()
}
