package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/sallyport-dev/sallyport/internal/acme"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/localca"
)

// listener is one address that we serve at.
type listener struct {
	name   string   // "sandbox", "management", …
	url    string   // without trailing slash
	urls   []string // all by which it is reached; url is the first
	socket net.Listener
	tls    *tls.Config
	shown  *shown // nil: plain
	server *http.Server
	begin  time.Duration // how long a caller may take to begin; 0: what httpx says
	forget func()        // ends the context of all its requests
}

// defaultHosts are the names of a listener that is given none.
func defaultHosts() []string { return []string{"127.0.0.1", "localhost", "::1"} }

// listen opens the socket and finds the certificate, so that what cannot work
// is known before anything is served.
func listen(ctx context.Context, name string, c config.Listener, ca *localca.Authority, now func() time.Time) (*listener, error) {
	hosts := c.Hosts
	if len(hosts) == 0 {
		hosts = defaultHosts()
	}
	var lc net.ListenConfig
	socket, err := lc.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return nil, explainListen(name, c.Listen, err)
	}
	l := &listener{name: name, socket: socket, url: c.URL}
	scheme := "https"
	if c.Plain {
		scheme = "http"
	} else {
		if l.shown, err = newShown(c.TLS, hosts, ca, now); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), socket.Close())
		}
		l.tls = &tls.Config{GetCertificate: l.shown.get, NextProtos: protocols(c.TLS), MinVersion: tls.VersionTLS12}
	}
	if l.url != "" {
		l.urls = []string{l.url}
	}
	_, port, err := net.SplitHostPort(socket.Addr().String())
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	if c.URL != "" && len(c.Hosts) == 0 {
		hosts = nil // those that nobody asked for are for who is in front
	}
	for _, host := range hosts {
		if u := scheme + "://" + net.JoinHostPort(host, port); !slices.Contains(l.urls, u) {
			l.urls = append(l.urls, u)
		}
	}
	l.url = l.urls[0]
	return l, nil
}

// protocols are those that a listener offers (RFC 7301).
func protocols(c config.TLS) []string {
	if c.ACME {
		return []string{"h2", "http/1.1", acme.Protocol}
	}
	return []string{"h2", "http/1.1"}
}

// listenMutual opens the listener at which clients show certificates, and reads the
// authorities that may name them.
func listenMutual(ctx context.Context, name string, c config.MutualTLS, ca *localca.Authority, now func() time.Time) (*listener, *trusted, error) {
	roots, err := newTrusted(c.ClientCA)
	if err != nil {
		return nil, nil, fmt.Errorf("environments.%s.mtls.client_ca: %w", name, err)
	}
	l, err := listen(ctx, name+" mtls", c.Listener, ca, now)
	if err != nil {
		return nil, nil, err
	}
	// Asked for, not required, and not judged: that is for whoever knows the
	// client (RFC 8705 §2.2). No authorities are named to the client either, since
	// one that has a certificate of its own making would then send none.
	l.tls.ClientAuth = tls.RequestClientCert
	// A session that was begun without a certificate, or with another, would go on
	// so: the certificate is the one of this connection's own handshake.
	l.tls.SessionTicketsDisabled = true
	return l, roots, nil
}

// explainListen says in one sentence why an address cannot be listened at.
func explainListen(name, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("the address %s for %s is in use by another program: stop that, or choose another address (port 0 takes a free one)", address, name)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("the address %s for %s may not be used by this user: choose a port above 1023", address, name)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("the address %s for %s is not one of this machine's", address, name)
	}
	return fmt.Errorf("listen at %s for %s: %w", address, name, err)
}

// cutOff is how long requests may take to end that are cut off.
const cutOff = time.Second

// serve serves handler until ctx ends, then finishes what is under way, if that
// takes no longer than drain.
func (l *listener) serve(ctx context.Context, handler http.Handler, drain time.Duration, logger *slog.Logger) error {
	l.server = httpx.NewServer(handler, l.tls, logger)
	if l.begin > 0 {
		l.server.ReadHeaderTimeout = l.begin
	}
	requests, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	l.forget = func() { cut(nil) } // not yet when this returns: WebSockets have their own time to end
	l.server.BaseContext = func(net.Listener) context.Context { return requests }
	done := make(chan error, 1)
	go func() { done <- l.server.Serve(httpx.NewLobby(l.socket, l.server, 0)) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve %s: %w", l.name, err)
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := l.server.Shutdown(late); err != nil {
		// They end now: who waits is told, and answers that have begun are broken off.
		cut(httpx.ErrStopping)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutOff)
		defer cancel()
		_ = l.server.Shutdown(last)
		return errors.Join(l.server.Close(), fmt.Errorf("%s: requests under way were cut off after %s", l.name, drain))
	}
	return nil
}

func closeListener(l *listener) {
	if l != nil {
		_ = l.socket.Close() // closed already after a clean stop
	}
}

// announce says that the node will close, by what it tells of its health, and closes
// the listeners once whoever balances has had the time to send nothing more.
func (s *Server) announce(serving context.Context, closeListeners func()) {
	s.leaving.Store(true)
	s.Logger.InfoContext(serving, "stopping", slog.Duration("announce", time.Duration(s.Config.Shutdown.Announce)), slog.Duration("finish", s.Config.Shutdown.FinishLimit()))
	select {
	case <-serving.Done():
	case <-time.After(time.Duration(s.Config.Shutdown.Announce)):
	}
	closeListeners()
}
