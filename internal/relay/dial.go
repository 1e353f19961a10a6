package relay

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"syscall"
)

// dial opens a connection.
func (c *Client) dial(ctx context.Context) (*conn, error) {
	plain, err := c.dialer.DialContext(ctx, "tcp", c.Address)
	if err != nil {
		return nil, err
	}
	cn := &conn{Conn: plain, client: c}
	if sc, ok := plain.(syscall.Conn); ok {
		if cn.raw, err = sc.SyscallConn(); err != nil {
			cn.raw = nil // it is not used again, then
		}
	}
	if c.TLS == nil {
		return cn, nil
	}
	if cn.Conn, err = c.handshake(ctx, plain); err != nil {
		_ = plain.Close()
		return nil, err
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
