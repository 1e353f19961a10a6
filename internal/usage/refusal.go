package usage

import (
	"slices"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// Refusal is why a token request or a call was refused, told to those whose it
// is. The wire says less, on purpose.
type Refusal struct {
	Trace       string
	At          time.Time
	Environment market.Environment
	Surface     string // "token" or "call"
	Method      string
	Path        string // canonical; never the query
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

// Refusals keeps the newest refusals of this node in memory, a fixed number of
// them; the oldest make room. Those of a credential that is known have a ring of
// their own, so that a flood from nowhere, or with a client_id that anybody can
// read, pushes out nobody's reasons.
type Refusals struct {
	mu      sync.Mutex
	owned   ring
	unowned ring
}

// ring is a fixed number of refusals, with the place of each trace.
type ring struct {
	kept    []Refusal
	next    int
	byTrace map[string]int
}

// unownedShare is how much smaller the ring of nobody's refusals is.
const unownedShare = 10

// NewRefusals returns a Refusals that keeps up to size of known owners.
func NewRefusals(size int) *Refusals {
	return &Refusals{owned: newRing(size), unowned: newRing(max(1, size/unownedShare))}
}

func newRing(size int) ring {
	return ring{kept: make([]Refusal, size), byTrace: make(map[string]int, size)}
}

// Add keeps r. Of two with one trace id the newer is found, unless they are of
// different owners: nobody hides another's reason by repeating its trace id.
func (l *Refusals) Add(r Refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Org == "" || r.Credential == "" {
		l.unowned.add(r)
		return
	}
	l.owned.add(r)
}

func (g *ring) add(r Refusal) {
	if old := g.kept[g.next]; old.Trace != "" && g.byTrace[old.Trace] == g.next {
		delete(g.byTrace, old.Trace)
	}
	g.kept[g.next] = r
	if at, there := g.byTrace[r.Trace]; !there || g.kept[at].Org == r.Org {
		g.byTrace[r.Trace] = g.next
	}
	g.next = (g.next + 1) % len(g.kept)
}

// Find returns the refusal with that trace id.
func (l *Refusals) Find(trace string) (Refusal, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range []*ring{&l.owned, &l.unowned} {
		if i, ok := g.byTrace[trace]; ok {
			return g.kept[i], true
		}
	}
	return Refusal{}, false
}

// Newest returns up to limit refusals of an organization, or of all for "",
// newest first.
func (l *Refusals) Newest(org id.Org, limit int) []Refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := append(l.owned.newest(org, limit), l.unowned.newest(org, limit)...)
	slices.SortStableFunc(out, func(a, b Refusal) int { return b.At.Compare(a.At) })
	return out[:min(len(out), limit)]
}

func (g *ring) newest(org id.Org, limit int) []Refusal {
	var out []Refusal
	for i := 1; i <= len(g.kept) && len(out) < limit; i++ {
		r := g.kept[(g.next-i+len(g.kept))%len(g.kept)]
		if r.Trace != "" && (org == "" || r.Org == org) {
			out = append(out, r)
		}
	}
	return out
}
