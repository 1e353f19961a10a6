package usage

import (
	"maps"
	"sync"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// Grant is what token requests are counted by, of all customers together. Its values
// come from fixed lists.
type Grant struct {
	Environment market.Environment
	Dialect     string
	Method      string // by which the client authenticated, or tried to
	Outcome     string // "ok", "reused", or the error code of the refusal
}

// Grants counts token requests since the start of the program. The zero Grants has
// counted nothing.
type Grants struct {
	mu     sync.Mutex
	counts map[Grant]int64
}

// Count adds one.
func (g *Grants) Count(k Grant) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.counts == nil {
		g.counts = map[Grant]int64{}
	}
	g.counts[k]++
}

// All returns the counts.
func (g *Grants) All() map[Grant]int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.counts)
}
