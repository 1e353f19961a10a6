package authserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/phc"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
)

// Upgrader puts our own hash of a secret in the place of one made elsewhere.
type Upgrader interface {
	UpgradeCredential(ctx context.Context, cred id.Credential, text secret.String) error
}

// Checks bounds how many slow hashes are checked at once, in all environments
// together, and how many requests wait for that: each network in a line of its own,
// and the lines are served in turn. So who tries secrets from one network makes
// nobody elsewhere wait for more than one of them. Create it with [NewChecks].
type Checks struct {
	mu sync.Mutex
	lines
}

const (
	checksWaiting  = 32              // requests of a network; beyond them the answer is 503
	checksLines    = 256             // networks
	checkPatience  = 2 * time.Second // how long each request waits
	upgradeTimeout = 3 * time.Second
)

// NewChecks returns checks of at hashes at once.
func NewChecks(at int) *Checks { return &Checks{lines: linesFor(max(1, at))} }

// take waits for the turn of a request from a network, which the caller gives back.
func (c *Checks) take(ctx context.Context, from string) error {
	c.mu.Lock()
	if c.free > 0 {
		c.free--
		c.mu.Unlock()
		return nil
	}
	l := c.byOwner[from]
	if l == nil && len(c.byOwner) >= checksLines || l != nil && l.waiters.Len() >= checksWaiting {
		c.mu.Unlock()
		return unavailable("too many secrets that were imported as slow hashes are being checked")
	}
	l, turn := c.join(from)
	c.mu.Unlock()

	timer := time.NewTimer(checkPatience)
	defer timer.Stop()
	ready, _ := turn.Value.(chan time.Time)
	reason := "the client has gone"
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
	case <-timer.C:
		reason = "a secret that was imported as a slow hash took its turn too late"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-ready: // while we turned away
		c.pass(time.Time{})
	default:
		c.leave(l, turn)
	}
	return unavailable(reason)
}

func (c *Checks) give() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass(time.Time{})
}

// byImported looks whether text is a secret that was imported as a slow hash. Only
// clients that have one pay for it, and once: then the hash is ours (ADR 0018). For
// everybody else there is nothing to look at.
func (s *Server) byImported(r *http.Request, client snapshot.Client, text secret.String) (_ snapshot.Client, found bool, err error) {
	if client.App == nil || client.App.Environment != s.Environment || text.Reveal() == "" {
		return client, false, nil
	}
	clientID := client.App.ClientID
	imported := client.App.Imported(s.Now())
	// Who failed too often is told so without the work.
	if len(imported) == 0 || !s.mayFail(clientID, network(r)) {
		return client, false, nil
	}
	if err := s.Checks.take(r.Context(), network(r)); err != nil {
		return client, false, err
	}
	// Whoever was before us in the line may have brought the same secret.
	if upgraded, ours := s.Model.ByCredential(s.Hasher.Hash(text.Reveal())); ours && upgraded.App.ClientID == clientID && upgraded.Credential.Live(s.Now()) {
		s.Checks.give()
		return upgraded, true, nil
	}
	for _, c := range imported {
		if h, err := phc.Parse(c.Material); err == nil && h.Matches(text.Reveal()) {
			client.Credential = c
			break
		}
	}
	s.Checks.give()
	if client.Credential == nil {
		return client, false, nil
	}
	s.upgrade(r.Context(), client, text)
	return client, true, nil
}

// mayFail reports whether another failed attempt is within the limits.
func (s *Server) mayFail(clientID, from string) bool {
	client, _ := s.Failures.Left(clientID+" "+from, s.Now())
	network, _ := s.NetworkFailures.Left(from, s.Now())
	return client > 0 && network > 0
}

// upgrade makes the slow hash ours. If that fails the client has its token all the
// same, and the next one makes it so.
func (s *Server) upgrade(ctx context.Context, c snapshot.Client, text secret.String) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), upgradeTimeout)
	defer cancel()
	if err := s.Upgrader.UpgradeCredential(ctx, c.Credential.ID, text); err != nil {
		why := slog.Any("error", err)
		if errors.Is(err, market.Conflict) {
			why = slog.String("error", "another client has the same secret: rotate it")
		}
		s.Logger.WarnContext(ctx, "an imported secret stays slow", why,
			slog.String("credential_id", string(c.Credential.ID)), slog.String("app_id", string(c.App.ID)))
	}
}
