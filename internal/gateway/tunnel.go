package gateway

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// tunnel is a WebSocket that passes through. What either peer sends reaches the other
// as it is; on the way the frames are followed, by their headers alone, so that a node
// that stops can say so to both between two frames: a Close with 1001 (RFC 6455
// §7.4.1). ADR 0008.
type tunnel struct {
	caller, upstream side
	leaving          atomic.Bool
}

// side is one peer, and what is written to it.
type side struct {
	io.ReadWriteCloser
	t      *tunnel
	mu     sync.Mutex // held while it is written to
	frames frames
	closed bool // it was sent a Close of ours, after which nothing may follow (§5.5.1)
}

func newTunnel() *tunnel {
	t := &tunnel{}
	t.caller.t, t.upstream.t = t, t
	t.upstream.frames.masked = true // what clients send is (§5.1)
	return t
}

// Write implements io.Writer.
func (s *side) Write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer func() {
		s.mu.Unlock()
		s.farewell()
	}()
	if s.t.leaving.Load() && !s.closed && !s.frames.between() {
		n = s.frames.step(p)
		if n, err = s.ReadWriteCloser.Write(p[:n]); err != nil {
			return n, err
		}
		p = p[n:]
	}
	if s.t.leaving.Load() {
		s.close()
	}
	s.frames.pass(p)
	if s.closed || len(p) == 0 { // what the other peer says to our Close is for us
		return n + len(p), nil
	}
	m, err := s.ReadWriteCloser.Write(p)
	return n + m, err
}

// CloseWrite tells the peer that the other has ended, where that can be told.
func (s *side) CloseWrite() error {
	if half, ok := s.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// farewell sends the Close that is due, unless somebody writes just now, who will. When
// both peers have answered theirs, it ends the tunnel.
func (s *side) farewell() {
	if !s.t.leaving.Load() || !s.mu.TryLock() {
		return
	}
	s.close()
	s.mu.Unlock()
	if s.t.caller.over() && s.t.upstream.over() {
		s.t.end()
	}
}

// close sends a Close if that is possible here. The caller holds mu.
func (s *side) close() {
	if s.closed || !s.frames.between() {
		return
	}
	s.closed = true
	if s.frames.ended { // the peers were about to end by themselves
		return
	}
	frame := []byte{0x88, 2}
	code := binary.BigEndian.AppendUint16(nil, 1001)
	if s.frames.masked {
		var mask [4]byte
		_, _ = rand.Read(mask[:]) // it does not fail
		frame[1] |= 0x80
		frame = append(frame, mask[:]...)
		code[0] ^= mask[0]
		code[1] ^= mask[1]
	}
	_, _ = s.ReadWriteCloser.Write(append(frame, code...)) // who has gone need not be told
}

// over reports whether all was said to this peer, and by the other.
func (s *side) over() bool {
	if !s.mu.TryLock() {
		return false // whoever writes will look again
	}
	defer s.mu.Unlock()
	return s.closed && s.frames.ended
}

// leave tells both peers that the node goes away, as soon as frames let it.
func (t *tunnel) leave() {
	t.leaving.Store(true)
	go t.upstream.farewell() // a peer that does not read keeps the other from nothing
	t.caller.farewell()
}

// end closes both connections.
func (t *tunnel) end() {
	_ = t.caller.Close()
	_ = t.upstream.Close()
}

// frames follows what is sent one way (RFC 6455 §5.2).
type frames struct {
	masked bool // as all of this way have to be
	head   [14]byte
	have   int    // of the head of the frame that is under way
	left   uint64 // of its payload
	ended  bool   // a Close has passed
	lost   bool   // it is no WebSocket
}

// between reports whether no frame is under way.
func (f *frames) between() bool { return !f.lost && f.have == 0 }

func (f *frames) pass(p []byte) {
	for len(p) > 0 {
		p = p[f.step(p):]
	}
}

// step takes p up to the end of the frame that is under way, or begins; or all of it.
func (f *frames) step(p []byte) (n int) {
	if f.lost {
		return len(p)
	}
	for f.left == 0 {
		if f.have == f.size() {
			if !f.begin() {
				f.lost = true
				return len(p)
			}
			break
		}
		if n == len(p) {
			return n
		}
		f.head[f.have] = p[n]
		f.have++
		n++
	}
	part := min(f.left, uint64(len(p)-n)) //nolint:gosec // not less than nothing
	f.left -= part
	if f.left == 0 {
		f.have = 0
	}
	return n + int(part) //nolint:gosec // at most len(p)
}

// size is how long the head of the frame is, as far as it is there.
func (f *frames) size() int {
	if f.have < 2 {
		return 2
	}
	size := 2
	switch f.head[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if f.head[1]&0x80 != 0 {
		size += 4
	}
	return size
}

// begin reads a head that is whole. It reports whether it can be one.
func (f *frames) begin() bool {
	opcode, final, length := f.head[0]&0x0f, f.head[0]&0x80 != 0, uint64(f.head[1]&0x7f)
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		length = binary.BigEndian.Uint64(f.head[2:])
	}
	control := opcode >= 8
	switch {
	case opcode > 2 && !control, opcode > 10, control && (!final || length > 125):
		return false
	case f.head[1]&0x80 != 0 != f.masked, length >= 1<<63:
		return false
	}
	f.ended = f.ended || opcode == 8
	f.left = length
	return true
}

// tunnelWriter is the writer of a call that asks for a WebSocket.
type tunnelWriter struct {
	*callWriter
	t    *tunnel
	open *tunnels
}

// Hijack implements http.Hijacker: ReverseProxy takes the caller's connection by it.
func (w *tunnelWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.t.caller.ReadWriteCloser = conn
	w.open.add(w.t)
	return tunnelled{conn, &w.t.caller}, buffered, nil
}

// tunnelled is a caller's connection that is written to frame by frame.
type tunnelled struct {
	net.Conn
	side *side
}

// Write implements io.Writer.
func (c tunnelled) Write(p []byte) (int, error) { return c.side.Write(p) }

// CloseWrite ends what is written to it.
func (c tunnelled) CloseWrite() error { return c.side.CloseWrite() }

// tunnels are those that are open.
type tunnels struct {
	mu      sync.Mutex
	all     map[*tunnel]struct{}
	leaving bool
	changed chan struct{} // closed when one has ended, while somebody waits for that
}

func (s *tunnels) add(t *tunnel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[*tunnel]struct{}{}
	}
	s.all[t] = struct{}{}
	if s.leaving {
		go t.leave()
	}
}

func (s *tunnels) done(t *tunnel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, t)
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// wait returns what is closed when another tunnel has ended; nil if none is open.
func (s *tunnels) wait(each func(*tunnel)) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving = true
	if len(s.all) == 0 {
		return nil
	}
	for t := range s.all {
		if each != nil {
			go each(t)
		}
	}
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// Leave tells the peers of every WebSocket that the node goes away, and returns when
// all have ended. When ctx ends those that are left are cut off.
func (g *Gateway) Leave(ctx context.Context) {
	for ended := g.tunnels.wait((*tunnel).leave); ended != nil; {
		select {
		case <-ended:
			ended = g.tunnels.wait(nil)
		case <-ctx.Done():
			if ended = g.tunnels.wait((*tunnel).end); ended != nil {
				<-ended
			}
		}
	}
}
