package keyring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// Config is what a ring needs. Fields without a default must be set.
type Config struct {
	Store       Store
	Sealer      Sealer
	Vault       Vault // where new keys are made; nil: in memory, sealed in the store
	LeaveVault  bool  // new keys are made in memory again; those in the vault are used until they end
	Environment market.Environment
	Algorithm   Algorithm // of the first token key; default RS256
	// TokenLifetime is the longest that any token lives. A superseded key
	// verifies that long, so raise it only while no rotation is under way.
	TokenLifetime time.Duration
	// Leeway is what a token is accepted after its end, plus what the nodes'
	// clocks differ by; default one minute.
	Leeway time.Duration
	// MaxStale is how long this node goes on without the store, and so with the
	// keys that it knows, before it refuses everything.
	MaxStale time.Duration
	// Lead is how long a key is published before it signs, at the least; default
	// 1 hour. A JWKS may be kept for half of it, and no longer than [MaxAge].
	Lead   time.Duration
	Period time.Duration // how long a key signs; default 90 days
	Now    func() time.Time
	Logger *slog.Logger // default: none
}

// MaxAge is how long a verifier may keep a JWKS.
const MaxAge = 5 * time.Minute

// The defaults of Config.
const (
	DefaultLeeway = time.Minute
	DefaultLead   = time.Hour
	DefaultPeriod = 90 * 24 * time.Hour
)

// check fills in the defaults.
func (c Config) check() (Config, error) {
	orDefault := func(d *time.Duration, or time.Duration) {
		if *d == 0 {
			*d = or
		}
	}
	orDefault(&c.Leeway, DefaultLeeway)
	orDefault(&c.Lead, DefaultLead)
	orDefault(&c.Period, DefaultPeriod)
	if c.Algorithm == "" {
		c.Algorithm = RS256
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Store == nil || c.Now == nil || len(c.Sealer.keys) == 0 || c.Environment == "":
		return c, errors.New("keyring: Store, Sealer, Environment and Now must be set")
	case c.TokenLifetime <= 0 || c.Leeway < 0 || c.Lead < 0 || c.MaxStale < 0 || c.Period <= c.Lead:
		return c, errors.New("keyring: TokenLifetime must be more than nothing, Leeway, Lead and MaxStale not less, Period more than Lead")
	case c.Algorithm != RS256 && c.Algorithm != ES256 && c.Algorithm != EdDSA:
		return c, errAlgorithm(c.Algorithm)
	}
	return c, nil
}

// Ring is the signing keys of one environment. It is safe for concurrent use.
type Ring struct {
	cfg Config
	set atomic.Pointer[set]
	mu  sync.Mutex // held while the set is replaced, from before it is read

	opened atomic.Bool // what changes from now on is logged
}

// Open reads the keys of an environment and makes those that are missing, which
// sign at once.
func Open(ctx context.Context, c Config) (*Ring, error) {
	c, err := c.check()
	if err != nil {
		return nil, err
	}
	r := &Ring{cfg: c}
	if err := r.Reload(ctx); err != nil {
		return nil, err
	}
	if err := r.Tick(ctx); err != nil {
		return nil, err
	}
	r.opened.Store(true)
	r.logKeys(ctx)
	return r, nil
}

// logKeys tells which keys are in use.
func (r *Ring) logKeys(ctx context.Context) {
	attrs := []any{slog.String("environment", string(r.cfg.Environment)), slog.Int("keys", len(r.set.Load().keys))}
	for _, use := range uses() {
		kid := "" // none signs
		if key := r.Signer(use); key != nil {
			kid = key.KID
		}
		attrs = append(attrs, slog.String(string(use)+"_kid", kid))
	}
	r.cfg.Logger.InfoContext(ctx, "signing keys in use", attrs...)
}

// Reset revokes every key of an environment without opening them, makes new
// ones, and returns their ring. It is the way back when the sealing key is lost.
func Reset(ctx context.Context, c Config, actor market.Actor) (*Ring, error) {
	c, err := c.check()
	if err != nil {
		return nil, err
	}
	r := &Ring{cfg: c}
	err = r.update(ctx, actor, func(stored Stored) (put []Record, _ market.Change, _ error) {
		for _, record := range stored.Keys {
			if record.Revoked.IsZero() {
				record.Revoked = r.now()
				put = append(put, record)
			}
		}
		return put, market.Change{
			Action: "reset", Kind: market.KindKeys, ID: string(c.Environment),
			Detail: map[string]any{"environment": string(c.Environment), "revokes": len(put)},
			Feed:   market.KindKeys, FeedKey: string(c.Environment),
		}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("reset the signing keys of %s: %w", c.Environment, err)
	}
	if err := r.Tick(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Reload reads the keys again; the change feed says when ([market.KindKeys]). If
// they cannot be read the ring goes on with those that it has; if one of them
// cannot be opened, with the others, and the error says which.
func (r *Ring) Reload(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	records, err := r.cfg.Store.SigningKeys(ctx, r.cfg.Environment)
	if err != nil {
		return fmt.Errorf("read the signing keys of %s: %w", r.cfg.Environment, err)
	}
	return r.install(ctx, records)
}

// install replaces the set. The caller holds mu.
func (r *Ring) install(ctx context.Context, records []Record) error {
	old := r.set.Load()
	same := old != nil && sameRecords(old.records, records)
	if same && old.whole && old.built <= r.nowMilli() {
		if !sameSeals(old.records, records) { // nothing to open again
			next := *old
			next.records = records
			r.set.Store(&next)
		}
		return nil
	}
	next, err := r.build(ctx, records, old)
	if next == nil || err != nil && (old == nil || same && len(next.keys) == len(old.keys)) {
		return err
	}
	r.set.Store(next)
	if r.opened.Load() {
		r.logKeys(ctx)
	}
	return err
}

// Signer returns the key that signs now: the newest one whose time has come. It
// is nil if there is none.
func (r *Ring) Signer(use Use) *Key { return r.set.Load().of(use).signer(r.nowMilli()) }

// Lookup returns the key of that kid if tokens that it signed are to be
// believed now: it is published, not retired, not revoked. Otherwise it is nil.
func (r *Ring) Lookup(use Use, kid string) *Key {
	return r.set.Load().of(use).lookup(kid, r.nowMilli())
}

// JWKS returns the key set document (RFC 7517 §5), to be served as
// application/jwk-set+json or application/json, and its entity tag, quoted. It
// lists the keys that Lookup finds, those too that do not sign yet. The body
// must not be changed.
func (r *Ring) JWKS(use Use) (body []byte, etag string) {
	now := r.nowMilli()
	views := r.set.Load().of(use).views
	for i := range views {
		if v := &views[i]; now < v.until {
			return v.body, v.etag
		}
	}
	return []byte(`{"keys":[]}`), `"none"`
}

// MaxAge is how long a verifier may keep the JWKS: short enough that a key has
// been in every copy for as long again when it begins to sign.
func (r *Ring) MaxAge() time.Duration { return min(MaxAge, r.cfg.Lead/2) }

// Generation is another number whenever Lookup may answer otherwise than before.
func (r *Ring) Generation() uint64 {
	now, s := r.nowMilli(), r.set.Load()
	generation := s.generation
	for _, step := range s.steps {
		if step <= now {
			generation++
		}
	}
	return generation
}

// Records returns every key that the environment has had, oldest first, without
// their sealed halves but with what is known of those.
func (r *Ring) Records(ctx context.Context) ([]Record, error) {
	records, err := r.cfg.Store.SigningKeys(ctx, r.cfg.Environment)
	if err != nil {
		return nil, fmt.Errorf("read the signing keys of %s: %w", r.cfg.Environment, err)
	}
	records = slices.Clone(records)
	for i := range records {
		records[i] = unsealed(records[i])
	}
	return records, nil
}

// unsealed is a record to hand out.
func unsealed(record Record) Record {
	record.SealingKey = sealedUnder(record)
	record.InVault = len(record.Sealed) > 0 && record.Sealed[0] == sealedReference
	record.Sealed = nil
	return record
}

func (r *Ring) nowMilli() int64 { return r.cfg.Now().UnixMilli() }

// now is the time as the store keeps it.
func (r *Ring) now() time.Time { return time.UnixMilli(r.nowMilli()).UTC() }

// firstAlgorithm is the algorithm of a use's first key. Identity JWTs are read by
// upstreams alone, and made for each call: they take what signs cheaply.
func (r *Ring) firstAlgorithm(use Use) Algorithm {
	if use == UseIdentity {
		return ES256
	}
	return r.cfg.Algorithm
}

// uses lists the uses.
func uses() []Use { return []Use{UseToken, UseIdentity} }

// Standing is how far the keys of a use are.
type Standing struct {
	Signs   time.Time // since when the one that signs does; zero: none does
	Next    time.Time // when another one is to, by what is decided or else by the period; zero: none signs
	Pending []string  // kids of those that do not sign yet
}

// Standing returns how far the keys of a use are, as this node knows them.
func (r *Ring) Standing(use Use) (s Standing) {
	now, u := r.nowMilli(), r.set.Load().of(use)
	signer := u.signer(now)
	for _, p := range u.keys {
		switch {
		case p.key == signer:
			s.Signs = time.UnixMilli(min(p.activates, now))
			s.Next = s.Signs.Add(r.cfg.Period)
		case p.activates > now:
			s.Pending = append(s.Pending, p.key.KID)
			if p.activates != never { // those that are decided come first, and after the signer
				s.Next = time.UnixMilli(p.activates)
			}
		}
	}
	return s
}

// Seals counts the published keys by what they are sealed under, as this node knows
// them: present, the sealing key that seals; old, another one that it has; unknown.
func (r *Ring) Seals() (present, old, unknown int) {
	s, ids := r.set.Load(), r.cfg.Sealer.IDs()
	for _, record := range s.records {
		if !record.live(r.now()) {
			continue
		}
		switch i := slices.Index(ids, sealedUnder(record)); {
		case i == 0:
			present++
		case i > 0:
			old++
		default:
			unknown++
		}
	}
	return present, old, unknown
}
