// Package acme gets a listener's certificate from a certificate authority that
// speaks ACME (RFC 8555), and renews it by itself.
//
// The authority is answered at the listener itself, by TLS (RFC 8737): it has to
// reach the listener at port 443 of the names that the certificate is for. Account,
// keys and certificates are kept in a folder; several nodes need a common one, or
// certificates that somebody else gets.
//
// What it does not do: listen, or serve HTTP.
package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// Protocol is what a listener offers beside its own (RFC 8737 §3), so that the
// authority can ask it.
const Protocol = "acme-tls/1"

// Config is how certificates are got. All fields are needed unless they say
// otherwise.
type Config struct {
	Directory string         // URL of the authority's directory (RFC 8555 §7.1.1)
	Roots     *x509.CertPool // by which the authority's own certificate is judged; nil: the system's
	Email     string         // to whom the authority writes; may be empty
	Folder    string         // where account, keys and certificates are kept
	Host      string         // that the listener is bound to
	Port      int            // that the listener is bound to
	Logger    *slog.Logger
}

// Manager keeps the certificates of a listener.
type Manager struct {
	config *certmagic.Config
	cache  *certmagic.Cache
	names  []string

	got, failed atomic.Int64
}

// Manage begins to get certificates for names, and to renew them, until Stop.
func Manage(ctx context.Context, c Config, names []string) (*Manager, error) {
	quiet := zap.NewNop() // what matters comes as events
	m := &Manager{names: slices.Clone(names)}
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return m.config, nil },
		Logger:           quiet,
	})
	m.config = certmagic.New(m.cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: c.Folder},
		Logger:  quiet,
		OnEvent: func(ctx context.Context, event string, data map[string]any) error {
			m.count(event)
			tell(ctx, c.Logger, event, data)
			return nil
		},
	})
	m.config.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(m.config, certmagic.ACMEIssuer{
		CA: c.Directory, Email: c.Email, Agreed: true, TrustedRoots: c.Roots,
		DisableHTTPChallenge: true, ListenHost: c.Host, AltTLSALPNPort: c.Port, Logger: quiet,
	})}
	if err := m.config.ManageAsync(ctx, names); err != nil {
		m.cache.Stop()
		return nil, fmt.Errorf("get certificates by ACME: %w", err)
	}
	return m, nil
}

// Get is for [tls.Config.GetCertificate]. It is an error if there is none yet.
func (m *Manager) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return m.config.GetCertificate(hello)
}

// Counts is what became of the tries to get a certificate since the start.
type Counts struct {
	Got    int64
	Failed int64 // tries, each of which is followed by others
}

// Counts returns what became of tries.
func (m *Manager) Counts() Counts { return Counts{Got: m.got.Load(), Failed: m.failed.Load()} }

func (m *Manager) count(event string) {
	switch event {
	case eventObtained:
		m.got.Add(1)
	case eventFailed:
		m.failed.Add(1)
	}
}

// Expires returns when the first of the names has no certificate any more, and whether
// all have one now.
func (m *Manager) Expires() (first time.Time, all bool) {
	for _, name := range m.names {
		var last time.Time
		for _, cert := range m.cache.AllMatchingCertificates(name) {
			if cert.Leaf != nil && cert.Leaf.NotAfter.After(last) {
				last = cert.Leaf.NotAfter
			}
		}
		if last.IsZero() {
			return time.Time{}, false
		}
		if first.IsZero() || last.Before(first) {
			first = last
		}
	}
	return first, len(m.names) > 0
}

// Stop ends the renewing.
func (m *Manager) Stop() { m.cache.Stop() }

// What certmagic calls the events that matter.
const (
	eventObtained = "cert_obtained"
	eventFailed   = "cert_failed"
)

// tell logs what became of a certificate.
func tell(ctx context.Context, logger *slog.Logger, event string, data map[string]any) {
	name, _ := data["identifier"].(string)
	switch event {
	case eventObtained:
		logger.InfoContext(ctx, "a certificate was got by ACME", slog.String("name", name), slog.Any("renewal", data["renewal"]))
	case eventFailed:
		logger.ErrorContext(ctx, "cannot get a certificate by ACME; trying again by and by", slog.String("name", name), slog.Any("error", data["error"]))
	}
}
