package usage

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// Refusal is why a token request or a call was refused, told to those whose it
// is. The wire says less, on purpose. Nothing in it is a secret, a token, a query
// or about a person.
type Refusal struct {
	ID          string // by time, then by chance; [Refusals.Add] makes it
	Trace       string
	At          time.Time
	Environment market.Environment
	Surface     string // "token" or "call"
	Method      string
	Path        string // the operation's template, where there is one; never the query
	Status      int
	Code        string // the `error` that was answered
	Reason      string // what it really was
	Next        string // what to do about it
	Parameter   string // what it is about, by its name in the request; empty: nothing single
	// Skew is how far the clock here was past the end of what was sent, or, if
	// negative, ahead of its beginning; zero: it was not about a time.
	Skew       time.Duration
	Org        id.Org // empty: nobody that we know
	App        id.App
	Credential id.Credential
	Label      string // of the credential
	Hint       string // the first characters of the secret
}

// Proven reports whether who asked has proven to be the owner, by a credential. To
// name a client_id proves nothing.
func (r Refusal) Proven() bool { return r.Org != "" && r.Credential != "" }

// IDFrom is the least ID of a refusal at t or later.
func IDFrom(t time.Time) string { return fmt.Sprintf("%012x", max(0, t.UnixMilli())) }

// RefusalFilter chooses refusals; empty fields choose all.
type RefusalFilter struct {
	Org         id.Org
	App         id.App
	Credential  id.Credential
	Environment market.Environment
	Surface     string
	Code        string
	Trace       string
	From, To    time.Time // To exclusive; zero: no bound
	After       string    // the ID after which to go on, towards older ones
	Limit       int       // of those that are returned
}

func (f *RefusalFilter) takes(r *Refusal) bool {
	return (f.Org == "" || f.Org == r.Org) && (f.App == "" || f.App == r.App) &&
		(f.Credential == "" || f.Credential == r.Credential) && (f.Environment == "" || f.Environment == r.Environment) &&
		(f.Surface == "" || f.Surface == r.Surface) && (f.Code == "" || f.Code == r.Code) &&
		(f.Trace == "" || f.Trace == r.Trace) && (f.After == "" || r.ID < f.After) &&
		(f.From.IsZero() || r.ID >= IDFrom(f.From)) && (f.To.IsZero() || r.ID < IDFrom(f.To))
}

// RefusalStore keeps refusals.
type RefusalStore interface {
	// AddRefusals adds refusals, all or none; one whose ID is there already is
	// left as it is.
	AddRefusals(ctx context.Context, refusals []Refusal) error
	// Refusals returns those that filter chooses, newest first.
	Refusals(ctx context.Context, filter RefusalFilter) ([]Refusal, error)
}

// Refusals keeps why things were refused: at once in memory, where the newest of
// this node are, a fixed number of them; and every few seconds in the store, so
// that every node can answer, and a restarted one.
//
// Neither can be filled by whoever likes. Refusals of proven owners have a ring of
// their own in memory, and shares of their own in what is written: a flood from
// nowhere, or with a client_id that anybody can read, pushes out nobody's reasons.
// What is beyond its share is counted, as all is, and not written.
type Refusals struct {
	store RefusalStore
	added atomic.Uint64

	mu      sync.Mutex
	owned   ring
	unowned ring
	waiting []Refusal // to be written, oldest first
	shares  map[share]int
	omitted int   // beyond their share, since the last write
	dropped int64 // and since the start
}

// ring is a fixed number of refusals, with the place of each trace.
type ring struct {
	kept    []Refusal
	next    int
	byTrace map[string]int
}

// share is whose refusals are bounded together.
type share struct {
	org    id.Org
	proven bool
}

// unownedShare is how much smaller the ring of nobody's refusals is.
const unownedShare = 10

// What a node writes at most at a time: of one owner, of a client_id that was only
// named, of nobody that we know; and of all proven and all other ones.
const (
	provenAtOnce    = 100
	namedAtOnce     = 20
	strangersAtOnce = 50
	allProvenAtOnce = 2000
	allOthersAtOnce = 500
)

// NewRefusals returns a Refusals that keeps up to size of proven owners in memory,
// and writes to store; nil: nowhere.
func NewRefusals(size int, store RefusalStore) *Refusals {
	return &Refusals{store: store, owned: newRing(size), unowned: newRing(max(1, size/unownedShare)), shares: map[share]int{}}
}

func newRing(size int) ring {
	return ring{kept: make([]Refusal, size), byTrace: make(map[string]int, size)}
}

// Add keeps r. Of two with one trace id the newer is found, unless they are of
// different owners: nobody hides another's reason by repeating its trace id.
func (l *Refusals) Add(r Refusal) {
	if r.ID == "" {
		r.ID = l.newID(r.At)
	}
	for _, text := range []*string{&r.Trace, &r.Surface, &r.Method, &r.Path, &r.Code, &r.Reason, &r.Next, &r.Parameter} {
		*text = storable(*text)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Proven() {
		l.owned.add(r)
	} else {
		l.unowned.add(r)
	}
	l.await(r)
}

// await lets r wait to be written, if its share allows it. l.mu is held.
func (l *Refusals) await(r Refusal) {
	if l.store == nil {
		return
	}
	own, all := share{r.Org, r.Proven()}, share{everybody, r.Proven()}
	most, mostOfAll := namedAtOnce, allOthersAtOnce
	switch {
	case own.proven:
		most, mostOfAll = provenAtOnce, allProvenAtOnce
	case own.org == "":
		most = strangersAtOnce
	}
	if l.shares[own] >= most || l.shares[all] >= mostOfAll {
		l.omitted++
		l.dropped++
		return
	}
	l.shares[own]++
	l.shares[all]++
	l.waiting = append(l.waiting, r)
}

// Unwritten is how many reasons wait to be written, and how many were omitted since
// the start.
func (l *Refusals) Unwritten() (waiting int, omitted int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting), l.dropped
}

// everybody stands for all organizations together; it is the id of none.
const everybody id.Org = "*"

// Flush writes what waits to the store. If that fails, it waits on, and takes its
// part of the shares.
func (l *Refusals) Flush(ctx context.Context) (omitted int, err error) {
	l.mu.Lock()
	batch := slices.Clone(l.waiting)
	omitted, l.omitted = l.omitted, 0
	l.mu.Unlock()
	if len(batch) == 0 {
		return omitted, nil
	}
	if err := l.store.AddRefusals(ctx, batch); err != nil {
		return omitted, fmt.Errorf("write refusals: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	since := l.waiting[len(batch):]
	l.waiting, l.shares = nil, map[share]int{}
	for _, r := range since {
		l.await(r)
	}
	return omitted, nil
}

// Find returns the refusal with that trace id: of org, or of whoever for "", and
// then rather of one who has proven to be the owner.
func (l *Refusals) Find(ctx context.Context, trace string, org id.Org) (Refusal, bool, error) {
	if r, ok := l.remembered(trace, org); ok {
		return r, true, nil
	}
	if trace == "" || l.store == nil {
		return Refusal{}, false, nil
	}
	const some = 100 // a client may send one trace id again and again
	found, err := l.store.Refusals(ctx, RefusalFilter{Trace: trace, Org: org, Limit: some})
	if err != nil || len(found) == 0 {
		return Refusal{}, false, err
	}
	if i := slices.IndexFunc(found, Refusal.Proven); i > 0 {
		return found[i], true, nil
	}
	return found[0], true, nil
}

func (l *Refusals) remembered(trace string, org id.Org) (Refusal, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range []*ring{&l.owned, &l.unowned} {
		if i, ok := g.byTrace[trace]; ok && (org == "" || g.kept[i].Org == org) {
			return g.kept[i], true
		}
	}
	if org == "" {
		return Refusal{}, false
	}
	found := l.chosen(RefusalFilter{Trace: trace, Org: org}) // another's has the place of the trace
	if len(found) == 0 {
		return Refusal{}, false
	}
	return found[0], true
}

// List returns the refusals that filter chooses, newest first, and after which to
// go on; "" if these are the last.
func (l *Refusals) List(ctx context.Context, filter RefusalFilter) (page []Refusal, next string, err error) {
	limit := filter.Limit
	filter.Limit++ // one more tells that there are more
	if l.store != nil {
		if page, err = l.store.Refusals(ctx, filter); err != nil {
			return nil, "", err
		}
	}
	l.mu.Lock()
	page = append(page, l.chosen(filter)...)
	l.mu.Unlock()
	slices.SortFunc(page, newerFirst)
	page = slices.CompactFunc(page, func(a, b Refusal) bool { return a.ID == b.ID })
	if len(page) > limit {
		page = page[:limit]
		next = page[limit-1].ID
	}
	return page, next, nil
}

func newerFirst(a, b Refusal) int { return cmp.Compare(b.ID, a.ID) }

// chosen returns what filter chooses of what is in memory, newest first. l.mu is
// held.
func (l *Refusals) chosen(filter RefusalFilter) []Refusal {
	var out []Refusal
	for _, g := range []*ring{&l.owned, &l.unowned} {
		for i := range g.kept {
			if r := &g.kept[i]; r.ID != "" && filter.takes(r) {
				out = append(out, *r)
			}
		}
	}
	slices.SortFunc(out, newerFirst)
	if filter.Limit > 0 {
		out = out[:min(len(out), filter.Limit)]
	}
	return out
}

func (g *ring) add(r Refusal) {
	if old := g.kept[g.next]; old.Trace != "" && g.byTrace[old.Trace] == g.next {
		delete(g.byTrace, old.Trace)
	}
	g.kept[g.next] = r
	if at, there := g.byTrace[r.Trace]; r.Trace != "" && (!there || g.kept[at].Org == r.Org) {
		g.byTrace[r.Trace] = g.next
	}
	g.next = (g.next + 1) % len(g.kept)
}

// newID returns an ID for a refusal at that time: those of one node and millisecond
// are in their order.
func (l *Refusals) newID(at time.Time) string {
	var tail [8]byte
	_, _ = rand.Read(tail[2:])
	binary.BigEndian.PutUint16(tail[:2], uint16(l.added.Add(1))) //nolint:gosec // it goes round
	return IDFrom(at) + hex.EncodeToString(tail[:])
}

// longestText bounds each text of a refusal.
const longestText = 512

// storable is s without what a database cannot hold or a terminal would obey.
func storable(s string) string {
	if len(s) > longestText {
		s = s[:longestText]
	}
	plain := true // as nearly all are: told sooner than mapped
	for i := range len(s) {
		plain = plain && ' ' <= s[i] && s[i] <= '~'
	}
	if plain {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) { // Cf: what turns text around, or hides it
			return '?'
		}
		return r
	}, s)
}
