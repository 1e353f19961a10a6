package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"

	"github.com/sallyport-dev/sallyport/internal/tracing"
)

// openTracer makes what sends traces, nil if nothing is recorded.
func (s *Server) openTracer() (*tracing.Tracer, error) {
	c := s.Config.Tracing
	if !c.On() {
		return nil, nil //nolint:nilnil // which records nothing
	}
	if _, err := s.tracingHeaders(); err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("tracing.ca: %w", err)
	}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("tracing.ca: %w", err)
		}
		if !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("tracing.ca: %s holds no certificate", c.CA)
		}
	}
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, IdleConnTimeout: idleCollector},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the headers are for this one
	}
	return tracing.New(tracing.Config{
		URL: c.OTLP, Headers: s.tracingHeaders, Sample: *c.Sample, Follow: c.Follow, Client: client,
		Version: s.Version, Node: string(s.self.ID), Now: s.Now, Logger: s.Logger,
	}), nil
}

// tracingHeaders reads what the collector asks for, each time: it may be replaced.
func (s *Server) tracingHeaders() (http.Header, error) {
	h := http.Header{}
	for name, from := range s.Config.Tracing.Headers {
		value, err := from.Read(s.Getenv)
		if err != nil {
			return nil, fmt.Errorf("tracing.headers.%s: %w", name, err)
		}
		h.Set(name, value.Reveal())
	}
	return h, nil
}
