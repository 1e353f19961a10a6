package usage

import (
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
	Org         id.Org // empty: nobody that we know
	App         id.App
	Credential  id.Credential
}

// Refusals keeps the newest refusals of this node in memory, a fixed number of
// them; the oldest make room.
type Refusals struct {
	mu      sync.Mutex
	ring    []Refusal
	next    int
	byTrace map[string]int
}

// NewRefusals returns a Refusals that keeps up to size.
func NewRefusals(size int) *Refusals {
	return &Refusals{ring: make([]Refusal, size), byTrace: make(map[string]int, size)}
}

// Add keeps r, over an older one of the same trace.
func (l *Refusals) Add(r Refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.ring[l.next]; l.byTrace[old.Trace] == l.next {
		delete(l.byTrace, old.Trace)
	}
	l.ring[l.next] = r
	l.byTrace[r.Trace] = l.next
	l.next = (l.next + 1) % len(l.ring)
}

// Find returns the refusal with that trace id.
func (l *Refusals) Find(trace string) (Refusal, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := l.byTrace[trace]
	if !ok {
		return Refusal{}, false
	}
	return l.ring[i], true
}

// Newest returns up to limit refusals of an organization, or of all for "",
// newest first.
func (l *Refusals) Newest(org id.Org, limit int) []Refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Refusal
	for i := 1; i <= len(l.ring) && len(out) < limit; i++ {
		r := l.ring[(l.next-i+len(l.ring))%len(l.ring)]
		if r.Trace != "" && (org == "" || r.Org == org) {
			out = append(out, r)
		}
	}
	return out
}
