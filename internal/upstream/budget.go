package upstream

import (
	"sync"
	"time"
)

// A budget looks back over so many seconds. Whatever is asked, one call a second
// may be asked again.
const (
	budgetSeconds = 10
	budgetLeast   = budgetSeconds
)

// budget keeps what is asked again a small part of what is asked, so that a server
// that fails is not asked twice as much for it.
type budget struct {
	percent int64

	mu      sync.Mutex
	at      int64 // the second that the newest count is of
	asked   [budgetSeconds]int64
	again   [budgetSeconds]int64
	sumAsk  int64
	sumMore int64
}

// forget leaves behind what is longer ago.
func (b *budget) forget(now time.Time) int64 {
	second := now.Unix()
	if second-b.at > budgetSeconds || second < b.at {
		b.asked, b.again, b.sumAsk, b.sumMore, b.at = [budgetSeconds]int64{}, [budgetSeconds]int64{}, 0, 0, second
	}
	for b.at < second {
		b.at++
		i := b.at % budgetSeconds
		b.sumAsk -= b.asked[i]
		b.sumMore -= b.again[i]
		b.asked[i], b.again[i] = 0, 0
	}
	return second % budgetSeconds
}

func (b *budget) earn(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.forget(now)
	b.asked[i]++
	b.sumAsk++
}

func (b *budget) spend(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.forget(now)
	if b.percent == 0 || b.sumMore >= max(budgetLeast, b.sumAsk*b.percent/100) {
		return false
	}
	b.again[i]++
	b.sumMore++
	return true
}
