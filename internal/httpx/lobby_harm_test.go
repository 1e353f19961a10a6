//go:build linux

package httpx_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// dripping sends what is written in pieces of one byte, a moment after each other.
type dripping struct {
	net.Conn
	pause time.Duration // 0: all at once
}

func (d *dripping) Write(p []byte) (int, error) {
	if d.pause == 0 {
		return d.Conn.Write(p)
	}
	for n := range p {
		if _, err := d.Conn.Write(p[n : n+1]); err != nil {
			return n, err
		}
		time.Sleep(d.pause)
	}
	return len(p), nil
}

// A part of a record wakes a connection, and is no request: it goes on waiting, for as
// long as it would have, and loses nothing of the record.
func TestARecordThatComesByteByByteIsReadOverManyStays(t *testing.T) {
	l := newLodgeAfter(t, time.Millisecond, true, func(s *http.Server) { s.ReadHeaderTimeout = 100 * time.Millisecond })
	v, slow := l.dialSlowly()
	for n := range 3 {
		slow.pause = 0
		v.send(get("quick"))
		v.answered("quick")
		l.settles()
		slow.pause = 4 * time.Millisecond // times some 60 bytes: longer than a head may take
		v.send(get(fmt.Sprint(n)))
		v.answered(fmt.Sprint(n))
	}
	if l.begun.Load() < 20 {
		t.Errorf("it came back %d times", l.begun.Load())
	}
}

// The attack: to come back each time that one has just left, by the thousand.
func TestWhoComesBackAtOnceStaysForLonger(t *testing.T) {
	l := newLodgeAfter(t, 100*time.Millisecond, false)
	v := l.dial()
	for range 2 {
		v.send(get("x"))
		v.answered("x")
		l.settles()
	}
	for range 20 {
		v.send(get("x"))
		v.answered("x")
		time.Sleep(110 * time.Millisecond)
	}
	if begun := l.begun.Load(); begun > 6 {
		t.Errorf("it came back %d times", begun-1)
	}
}

// The attack: to hold a connection for ever by a byte now and then.
func TestAConnectionThatWakesWithoutARequestEndsInItsTime(t *testing.T) {
	l := newLodgeAfter(t, time.Millisecond, true, func(s *http.Server) {
		s.ReadHeaderTimeout, s.IdleTimeout = time.Hour, 100*time.Millisecond
	})
	v, slow := l.dialSlowly()
	v.send(get("x"))
	v.answered("x")
	go func() {
		// The head of a record, and of what it announces too little.
		raw := append([]byte{23, 3, 3, 0x3f, 0}, make([]byte, 0x3e00)...)
		_, _ = (&dripping{slow.Conn, 10 * time.Millisecond}).Write(raw)
	}()
	if _, err := v.r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it is held still: %v", err)
	}
	l.settles()
}

// dialSlowly returns a client, and how slowly its records are sent.
func (l *lodge) dialSlowly() (*visitor, *dripping) {
	l.t.Helper()
	conn, err := net.Dial("tcp", l.address)
	if err != nil {
		l.t.Fatal(err)
	}
	slow := &dripping{Conn: conn}
	return l.over(tls.Client(slow, l.client)), slow
}

// rare is a listener that says of its connections what happens to them, or has none.
type rare struct {
	net.Listener
	none  atomic.Bool
	tries atomic.Int64
	open  atomic.Int64
	last  atomic.Pointer[accepted]
}

func (r *rare) Accept() (net.Conn, error) {
	if r.none.Load() {
		r.tries.Add(1)
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	conn, err := r.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("%T", conn)
	}
	c := &accepted{TCPConn: tcp, of: r, tried: make(chan struct{}), hush: make(chan struct{})}
	r.open.Add(1)
	r.last.Store(c)
	return c, nil
}

// accepted is a connection whose client may take nothing more.
type accepted struct {
	*net.TCPConn
	of     *rare
	closed sync.Once
	mute   atomic.Bool
	once   sync.Once
	tried  chan struct{} // closed once something was to be sent
	hush   chan struct{} // until then nothing is
}

func (c *accepted) Write(p []byte) (int, error) {
	if c.mute.Load() {
		c.once.Do(func() { close(c.tried) })
		<-c.hush
		return 0, net.ErrClosed
	}
	return c.TCPConn.Write(p)
}

func (c *accepted) Close() error {
	c.closed.Do(func() { c.of.open.Add(-1) })
	return c.TCPConn.Close()
}

// The attack: to leave no room for goodbye over TLS, so that whoever says it waits.
func TestNobodyWaitsForWhoeverTakesNoGoodbye(t *testing.T) {
	r := newRare(t)
	l := newLodgeAt(t, r, time.Millisecond, true, func(s *http.Server) { s.IdleTimeout = 300 * time.Millisecond })
	v := l.dial()
	v.send(get("x"))
	v.answered("x")
	l.settles()
	muted := r.last.Load()
	muted.mute.Store(true)
	defer close(muted.hush)
	<-muted.tried
	others := l.dial()
	for range 3 {
		others.send(get("x"))
		others.answered("x")
		l.settles()
	}
	last := r.last.Load()
	last.mute.Store(true)
	defer close(last.hush)
	if err := l.server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWhoWaitsInTheLobbyIsServedThoughNobodyElseCanGetIn(t *testing.T) {
	r := newRare(t)
	l := newLodgeAt(t, r, time.Millisecond, false)
	v := l.dial()
	v.send(get("x"))
	v.answered("x")
	r.none.Store(true)
	last := l.dial() // for it somebody waits already
	last.send(get("x"))
	last.answered("x")
	for range 40 {
		l.settles()
		v.send(get("x"))
		v.answered("x")
	}
	if tries := r.tries.Load(); tries > 20 {
		t.Errorf("it was tried %d times", tries)
	}
	r.none.Store(false)
	next := l.dial()
	next.send(get("x"))
	next.answered("x")
}

func TestAPanicInAHandshakeEndsOneConnection(t *testing.T) {
	r := newRare(t)
	l := newLodgeAt(t, r, restSoon, true, func(s *http.Server) {
		s.TLSConfig.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if h.ServerName == "panic.example" {
				panic("no certificate")
			}
			return nil, nil
		}
	})
	conn, err := net.Dial("tcp", l.address)
	if err != nil {
		t.Fatal(err)
	}
	if err := tls.Client(conn, &tls.Config{ServerName: "panic.example", MinVersion: tls.VersionTLS12}).HandshakeContext(t.Context()); err == nil {
		t.Error("there was a handshake")
	}
	r.empties(t)
	v := l.dial()
	v.send(get("x"))
	v.answered("x")
}

// Requests of many, who leave, come back and end: nobody's certificate is another's,
// though descriptors and buffers are.
func TestTLSOfAConnectionIsItsOwn(t *testing.T) {
	l := newLodgeAfter(t, time.Millisecond, true, func(s *http.Server) {
		s.TLSConfig.ClientAuth, s.TLSConfig.SessionTicketsDisabled = tls.RequestClientCert, true
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name := "nobody"
			if len(r.TLS.PeerCertificates) > 0 {
				name = r.TLS.PeerCertificates[0].Subject.CommonName
			}
			_, _ = fmt.Fprint(w, name, " ", r.TLS.ServerName, " ", r.TLS.HandshakeComplete, " ", r.TLS.NegotiatedProtocol, " ", r.TLS.Version == tls.VersionTLS13, " ", r.RemoteAddr)
		})
	})
	var wg sync.WaitGroup
	for who := range 16 {
		certificate := named(t, fmt.Sprint("client ", who))
		wg.Go(func() {
			for visit := range 4 {
				config := l.client.Clone()
				config.ClientSessionCache = nil
				config.NextProtos = []string{"http/1.1"}
				want := "nobody"
				if visit%2 == 0 {
					config.Certificates, want = []tls.Certificate{certificate}, fmt.Sprint("client ", who)
				}
				version := visit/2 == 0
				if !version {
					config.MaxVersion = tls.VersionTLS12
				}
				conn, err := tls.Dial("tcp", l.address, config)
				if err != nil {
					t.Error(err)
					return
				}
				v := l.over(conn)
				for range 4 {
					v.send(get("x"))
					v.answered(fmt.Sprint(want, " example.com true http/1.1 ", version, " ", conn.LocalAddr()))
					time.Sleep(2 * time.Millisecond)
				}
				_ = conn.Close()
			}
		})
	}
	wg.Wait()
	if l.begun.Load() <= 16*4 {
		t.Error("no connection has been in the lobby")
	}
}

// named returns a certificate of a client's own making.
func named(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// The end of a server while connections come, establish TLS, wait and wake.
func TestNothingOfALobbyIsLeftAfterItsServer(t *testing.T) {
	for name, end := range map[string]func(*http.Server) error{
		"Shutdown": func(s *http.Server) error { return s.Shutdown(t.Context()) },
		"Close":    (*http.Server).Close,
	} {
		for kind, secured := range map[string]bool{"plain": false, "TLS": true} {
			t.Run(name+" "+kind, func(t *testing.T) {
				r := newRare(t)
				l := newLodgeAt(t, r, time.Millisecond, secured)
				var wg sync.WaitGroup
				stop := make(chan struct{})
				for range 8 {
					wg.Go(func() {
						for n := 0; ; n++ {
							select {
							case <-stop:
								return
							default:
							}
							l.visit(n)
						}
					})
				}
				for l.begun.Load() < 100 {
					time.Sleep(time.Millisecond)
				}
				if secured { // it says nothing
					silent, err := net.Dial("tcp", l.address)
					if err != nil {
						t.Fatal(err)
					}
					defer silent.Close()
				}
				if err := end(l.server); err != nil {
					t.Error(err)
				}
				close(stop)
				wg.Wait()
				r.empties(t)
				for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
					stacks := make([]byte, 1<<20)
					stacks = stacks[:runtime.Stack(stacks, true)]
					if !bytes.Contains(stacks, []byte("httpx.(*Lobby)")) && !bytes.Contains(stacks, []byte("httpx.(*resting)")) {
						break
					}
					if time.Now().After(deadline) {
						t.Fatalf("%s", stacks)
					}
				}
			})
		}
	}
}

// visit is a client's, who does not mind being sent away.
func (l *lodge) visit(n int) {
	conn, err := net.Dial("tcp", l.address)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if l.client != nil {
		conn = tls.Client(conn, l.client)
	}
	in := bufio.NewReader(conn)
	for range n % 4 {
		if _, err := io.WriteString(conn, get("x")); err != nil {
			return
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, res.Body)
		time.Sleep(time.Duration(n%7) * time.Millisecond)
	}
}

// Deadlines that a handler's goroutine sets, also after the handler.
func TestDeadlinesOfOthersLoseNoRequest(t *testing.T) {
	var wg sync.WaitGroup
	defer wg.Wait()
	l := newLodgeAfter(t, time.Millisecond, false, func(s *http.Server) {
		answers := s.Handler
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			wg.Go(func() {
				for range 20 {
					_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Minute))
					time.Sleep(200 * time.Microsecond)
				}
			})
			answers.ServeHTTP(w, r)
		})
	})
	v := l.dial()
	for n := range 100 {
		v.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n" + fmt.Sprintf("%03d", n))
		v.answered(fmt.Sprintf("%03d", n))
		time.Sleep(time.Duration(n%8) * time.Millisecond)
	}
}

func newRare(t *testing.T) *rare {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &rare{Listener: socket}
}

// empties waits until all connections are closed.
func (r *rare) empties(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); r.open.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open", r.open.Load())
		}
	}
}
