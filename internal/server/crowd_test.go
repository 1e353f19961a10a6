package server

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
)

// crowd is a source of as many apps as are wanted, made up as they are read. The
// first of them have a secret that expired and one that was revoked, too.
type crowd struct {
	apps    int
	secrets int // of each app
	hasher  market.Hasher
	reuse   *time.Duration // nil: the dialect's
	// sandbox puts every other app there.
	sandbox bool
}

const (
	crowdWithDead = 10   // apps that have dead secrets
	expiredSecret = 1000 // the numbers of the dead ones
	revokedSecret = 1001
)

func (c crowd) Head(context.Context) (int64, error) { return 1, nil }

func (c crowd) Changes(context.Context, int64, int) ([]snapshot.Entry, error) { return nil, nil }

func (c crowd) Orgs(_ context.Context, _ id.Org, yield func(snapshot.OrgRecord) error) error {
	for i := range max(1, c.apps/10) {
		org := id.Org(fmt.Sprintf("org_%020d", i))
		err := yield(snapshot.OrgRecord{
			Org:           market.Organization{ID: org, Name: "Organization", State: market.OrgActive},
			Subscriptions: []market.Subscription{{Org: org, Product: benchProduct, State: market.SubSubscribed}},
			TINs:          []market.TIN{{Org: org, Number: "123456789", State: market.TINAssociated}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c crowd) Apps(_ context.Context, _ id.App, yield func(snapshot.AppRecord) error) error {
	for i := range c.apps {
		r := snapshot.AppRecord{App: market.App{
			ID: id.App(fmt.Sprintf("app_%020d", i)), Org: id.Org(fmt.Sprintf("org_%020d", i/10)), Environment: market.Production,
			Name: fmt.Sprintf("application %d", i), DeveloperEmail: "developer@example.com", ClientID: benchClient(i),
			State: market.AppActive, ReuseWindow: c.reuse,
		}}
		if c.sandbox && i%2 == 1 {
			r.App.Environment = market.Sandbox
		}
		for n := range c.secrets {
			r.Credentials = append(r.Credentials, c.credential(r.App.ID, i, n))
		}
		if i < crowdWithDead {
			expired, revoked := c.credential(r.App.ID, i, expiredSecret), c.credential(r.App.ID, i, revokedSecret)
			expired.Expires, revoked.Revoked = time.Unix(1, 0), time.Unix(1, 0)
			r.Credentials = append(r.Credentials, expired, revoked)
		}
		if err := yield(r); err != nil {
			return err
		}
	}
	return nil
}

func (c crowd) credential(app id.App, i, n int) market.Credential {
	return market.Credential{
		Kind: market.ClientSecret, ID: id.Credential(fmt.Sprintf("cred_%020d_%d", i, n)), App: app, Hash: c.hasher.Hash(benchSecret(i, n)),
	}
}

func (crowd) Revocations(context.Context, []string, func(market.Revocation) error) error { return nil }

func (c crowd) Rest(context.Context) (snapshot.Rest, error) {
	return snapshot.Rest{Products: []market.Product{{Name: benchProduct, Title: "Bench", State: market.ProductActive}}}, nil
}

// A secret is as long as a real one, and in its parts, or the time of a wrong one would tell it
// by its form; TestMain of this package and test/bench agree on these two.
func benchClient(i int) string    { return fmt.Sprintf("client%026d", i) }
func benchSecret(i, n int) string { return fmt.Sprintf("spprd_%043d%06d", i, n) }

// crowded is a server in dir for a crowd, with that algorithm in production and
// ES256 in sandbox, over plain HTTP unless it is sandbox.
func crowded(ctx context.Context, dir, algorithm string, c crowd, logger *slog.Logger, more ...func(*config.Config)) (*Server, error) {
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("0123456789abcdef", 4)), 0o600); err != nil {
		return nil, err
	}
	conf := &config.Config{
		Data: dir, Keys: config.Keys{Sealing: config.Secret{File: key}, Hashing: config.Secret{File: key}},
		Management: config.Listener{Listen: "127.0.0.1:0"}, Portal: config.Listener{Listen: "127.0.0.1:0"},
		Environments: map[market.Environment]*config.Environment{
			market.Sandbox:    {Listener: config.Listener{Listen: "127.0.0.1:0"}, Algorithm: "ES256"},
			market.Production: {Listener: config.Listener{Listen: "127.0.0.1:0"}, Algorithm: algorithm},
		},
	}
	for _, m := range more {
		m(conf)
	}
	if err := conf.Complete(); err != nil {
		return nil, err
	}
	s, err := New(ctx, Options{Config: conf, Getenv: os.Getenv, Logger: logger, Now: time.Now})
	if err != nil {
		return nil, err
	}
	c.hasher = s.Market.Hasher
	if err := s.model.Load(ctx, c); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}
