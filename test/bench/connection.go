package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"
)

// connection is as much of an HTTP/1.1 client as our own server needs: it writes
// requests that were built before, and reads answers that say their length. So
// the load costs little beside what it measures.
type connection struct {
	address string
	tls     *tls.Config // nil: plain
	from    net.IP      // nil: the system chooses
	net     net.Conn
	buf     []byte
	r, w    int
	head    []byte // of the last answer, as it came
	body    []byte
}

var errAnswer = errors.New("not an answer that this client can read")

func (c *connection) open() error {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if c.from != nil {
		dialer.LocalAddr, dialer.Control = &net.TCPAddr{IP: c.from}, portLater
	}
	conn, err := dialer.Dial("tcp", c.address)
	if err != nil {
		return err
	}
	if c.tls != nil {
		conn = tls.Client(conn, c.tls)
	}
	c.net, c.r, c.w = conn, 0, 0
	if c.buf == nil {
		c.buf = make([]byte, 32<<10)
	}
	return nil
}

// portLater leaves the choice of a port until the other end is known (ip(7)), so that
// connections to different servers can have the same.
func portLater(_, _ string, raw syscall.RawConn) error {
	const bindAddressNoPort = 24 // IP_BIND_ADDRESS_NO_PORT
	var err error
	if e := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_IP, bindAddressNoPort, 1) }); e != nil {
		return e
	}
	return err
}

func (c *connection) close() {
	if c.net != nil {
		_ = c.net.Close()
		c.net = nil
	}
}

// do sends a request and returns the status of the answer.
func (c *connection) do(request []byte, deadline time.Time) (status int, err error) {
	if c.net == nil {
		if err := c.open(); err != nil {
			return 0, err
		}
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if err := c.net.SetDeadline(deadline); err != nil {
		return 0, err
	}
	if _, err := c.net.Write(request); err != nil {
		return 0, err
	}
	return c.read()
}

// read reads one answer.
func (c *connection) read() (status int, err error) {
	end := -1
	for end < 0 {
		if end = bytes.Index(c.buf[c.r:c.w], []byte("\r\n\r\n")); end < 0 {
			if err := c.fill(); err != nil {
				return 0, err
			}
		}
	}
	c.head = append(c.head[:0], c.buf[c.r:c.r+end+2]...)
	c.r += end + 4
	if len(c.head) < len("HTTP/1.1 200") || !bytes.HasPrefix(c.head, []byte("HTTP/1.1 ")) {
		return 0, errAnswer
	}
	if status, err = strconv.Atoi(string(c.head[9:12])); err != nil {
		return 0, errAnswer
	}
	_, rest, found := bytes.Cut(c.head, []byte("\r\nContent-Length: "))
	if !found {
		_, rest, found = bytes.Cut(c.head, []byte("\r\ncontent-length: ")) // as HAProxy writes it
	}
	text, _, _ := bytes.Cut(rest, []byte("\r\n"))
	length, err := strconv.Atoi(string(text))
	if !found || err != nil {
		return 0, errAnswer
	}
	for c.w-c.r < length {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	c.body = append(c.body[:0], c.buf[c.r:c.r+length]...)
	c.r += length
	return status, nil
}

// fill reads what there is behind what is not used yet.
func (c *connection) fill() error {
	if c.r > 0 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.buf) {
		return errAnswer
	}
	n, err := c.net.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}
