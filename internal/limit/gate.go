package limit

import "sync"

// Gate bounds how many things of a key are under way at once. The zero Gate is
// open and empty. Its memory is what is under way.
type Gate struct {
	mu     sync.Mutex
	inside map[string]int64
}

// Enter lets one more in, if fewer than most are. Each that was let in has to
// Leave.
func (g *Gate) Enter(key string, most int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside[key] >= most {
		return false
	}
	if g.inside == nil {
		g.inside = map[string]int64{}
	}
	g.inside[key]++
	return true
}

// Leave lets one out.
func (g *Gate) Leave(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside[key]--; g.inside[key] <= 0 {
		delete(g.inside, key)
	}
}
