package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/acme"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/localca"
)

// shown is the certificate that a listener shows. It changes when its files do, or,
// if it is one of the local CA's, when two thirds of its life have passed: new
// connections get the new one, and those that are open go on.
type shown struct {
	files   config.TLS
	hosts   []string
	ca      *localca.Authority
	now     func() time.Time
	acme    *acme.Manager // nil: it is not got by ACME
	current atomic.Pointer[tls.Certificate]
	read    [sha256.Size]byte // what the files held when they were read last
}

// newShown reads the certificate for the first time.
func newShown(files config.TLS, hosts []string, ca *localca.Authority, now func() time.Time) (*shown, error) {
	s := &shown{files: files, hosts: hosts, ca: ca, now: now}
	_, err := s.renew()
	return s, err
}

// get is for [tls.Config.GetCertificate]. Until there is one by ACME, the local CA's
// is shown: clients refuse it, and see that somebody is there.
func (s *shown) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.acme != nil {
		if cert, err := s.acme.Get(hello); err == nil {
			return cert, nil
		}
	}
	return s.current.Load(), nil
}

// renew takes up another certificate, if there is one. On an error the listener
// goes on with the one that it has, and the same files are not read again.
func (s *shown) renew() (changed bool, err error) {
	if s.files.Certificate == "" {
		return s.reissue()
	}
	cert, err := os.ReadFile(s.files.Certificate)
	if err != nil {
		return false, s.unread(err)
	}
	key, err := os.ReadFile(s.files.Key)
	if err != nil {
		return false, s.unread(err)
	}
	sum := sha256.Sum256(bytes.Join([][]byte{cert, key}, []byte{0}))
	if sum == s.read {
		return false, nil
	}
	s.read = sum
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return false, fmt.Errorf("read the certificate %s and its key: %w", s.files.Certificate, err)
	}
	if s.current.Load() != nil && s.now().After(pair.Leaf.NotAfter) {
		return false, fmt.Errorf("the new certificate %s has expired, on %s", s.files.Certificate, pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	s.current.Store(&pair)
	return true, nil
}

// manage has the certificate got by ACME from now on. The listener has to be open.
func (s *shown) manage(ctx context.Context, c config.ACME, folder string, socket net.Addr, logger *slog.Logger) (err error) {
	host, port, err := net.SplitHostPort(socket.String())
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	var roots *x509.CertPool
	if c.CA != "" {
		t, err := newTrusted([]string{c.CA})
		if err != nil {
			return fmt.Errorf("acme.ca: %w", err)
		}
		roots = t.roots()
	}
	s.acme, err = acme.Manage(ctx, acme.Config{
		Directory: c.Directory, Roots: roots, Email: c.Email, Folder: folder, Host: host, Port: number, Logger: logger,
	}, s.hosts)
	return err
}

// unread is the error of a file that cannot be read; while it is replaced, it may
// be away for a moment.
func (s *shown) unread(err error) error {
	sum := sha256.Sum256([]byte(err.Error()))
	if sum == s.read {
		return nil // told already
	}
	s.read = sum
	return fmt.Errorf("read the certificate %s and its key: %w", s.files.Certificate, err)
}

// reissue has the local CA make a certificate, if there is none that lasts.
func (s *shown) reissue() (changed bool, err error) {
	if old := s.current.Load(); old != nil {
		life := old.Leaf.NotAfter.Sub(old.Leaf.NotBefore)
		now := s.now() // before it was made, if by a clock that was ahead: then clients refuse it
		if !now.Before(old.Leaf.NotBefore) && now.Before(old.Leaf.NotBefore.Add(life*2/3)) {
			return false, nil
		}
	}
	cert, err := s.ca.Issue(s.hosts)
	if err != nil {
		return false, err
	}
	s.current.Store(cert)
	return true, nil
}

// trusted is the authorities that may certify a client's name. They change when
// their files do.
type trusted struct {
	files   []string
	current atomic.Pointer[x509.CertPool]
	read    [sha256.Size]byte
}

// newTrusted reads the authorities for the first time; nil for no files.
func newTrusted(files []string) (*trusted, error) {
	if len(files) == 0 {
		return nil, nil //nolint:nilnil // nobody is trusted
	}
	t := &trusted{files: files}
	_, err := t.renew()
	return t, err
}

// roots returns the authorities as they are now.
func (t *trusted) roots() *x509.CertPool { return t.current.Load() }

// renew takes up other authorities, if the files name others.
func (t *trusted) renew() (changed bool, err error) {
	var all []byte
	pool := x509.NewCertPool()
	var bad error
	for _, file := range t.files {
		text, err := os.ReadFile(file) //nolint:gosec // that the operator names
		switch {
		case err != nil:
			bad = errors.Join(bad, err)
		case !pool.AppendCertsFromPEM(text):
			bad = errors.Join(bad, fmt.Errorf("%s holds no certificate in PEM", file))
		}
		all = append(append(all, text...), 0)
	}
	if bad != nil {
		all = []byte(bad.Error())
	}
	sum := sha256.Sum256(all)
	if sum == t.read {
		return false, nil
	}
	t.read = sum
	if bad != nil {
		return false, bad
	}
	t.current.Store(pool)
	return true, nil
}

// manageCertificates begins to get certificates by ACME, for the listeners that say
// so. Their sockets are open: the authority asks there.
func (s *Server) manageCertificates(ctx context.Context) error {
	for _, l := range s.listeners() {
		if l.shown == nil || !l.shown.files.ACME {
			continue
		}
		folder := filepath.Join(s.Config.Data, "acme")
		if err := l.shown.manage(ctx, s.Config.ACME, folder, l.socket.Addr(), s.Logger); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return nil
}

// stopManaging ends the renewing by ACME.
func (s *Server) stopManaging() {
	for _, l := range s.listeners() {
		if l.shown != nil && l.shown.acme != nil {
			l.shown.acme.Stop()
		}
	}
}

// watchCertificates takes up certificates that were renewed, until ctx ends.
func (s *Server) watchCertificates(ctx context.Context) error {
	ticker := time.NewTicker(s.Pace.Certificates)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			s.renewCertificates(ctx)
		}
	}
}

func (s *Server) renewCertificates(ctx context.Context) {
	tell := func(what string, changed bool, err error) {
		switch {
		case err != nil:
			s.Logger.ErrorContext(ctx, "cannot take up a renewed certificate; going on with the old one", slog.String("of", what), slog.Any("error", err))
		case changed:
			s.Logger.InfoContext(ctx, "a renewed certificate is in use", slog.String("of", what))
		}
	}
	for _, l := range s.listeners() {
		if l.shown != nil {
			changed, err := l.shown.renew()
			tell(l.name, changed, err)
		}
	}
	s.renewUpstreamTLS(tell)
	for _, e := range s.environments {
		if e.trusted != nil {
			changed, err := e.trusted.renew()
			tell(string(e.name)+" mtls.client_ca", changed, err)
		}
	}
}

// listeners lists those that are open.
func (s *Server) listeners() []*listener {
	all := []*listener{}
	for _, e := range s.environments {
		all = append(all, e.listener, e.mutual)
	}
	all = append(all, s.management, s.portal, s.scraped)
	open := all[:0]
	for _, l := range all {
		if l != nil {
			open = append(open, l)
		}
	}
	return open
}
