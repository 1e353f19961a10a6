package server

import (
	"context"
	"log/slog"
	"strings"
)

// tellStart says in the log what a first start leaves to do, so that who reads it need
// not find out by refusals.
func (s *Server) tellStart(ctx context.Context) {
	var local []string
	for _, l := range s.listeners() {
		if l.shown != nil && l.shown.files.Certificate == "" && !l.shown.files.ACME {
			local = append(local, l.name)
		}
	}
	if len(local) > 0 {
		s.Logger.InfoContext(ctx, "listeners show a certificate of the local CA: clients have to be given that, or the listeners certificates of their own (tls)",
			slog.String("listeners", strings.Join(local, ", ")), slog.String("ca", s.ca.File))
	}
	if s.model.Catalog() == 0 {
		s.Logger.InfoContext(ctx, "no catalogue is applied yet, so that there are no products and no APIs: sallyport catalog apply DIR")
	}
}
