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
	again   [budgetSeconds]map[string]int64 // by whom
	sumAsk  int64
	sumMore int64
	callers callers
}

// forget leaves behind what is longer ago.
func (b *budget) forget(now time.Time) int64 {
	second := now.Unix()
	if second-b.at > budgetSeconds || second < b.at {
		b.asked, b.again, b.sumAsk, b.sumMore, b.at = [budgetSeconds]int64{}, [budgetSeconds]map[string]int64{}, 0, 0, second
	}
	for b.at < second {
		b.at++
		i := b.at % budgetSeconds
		b.sumAsk -= b.asked[i]
		for _, n := range b.again[i] {
			b.sumMore -= n
		}
		b.asked[i], b.again[i] = 0, nil
	}
	return second % budgetSeconds
}

func (b *budget) earn(now time.Time, who string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.forget(now)
	b.asked[i]++
	b.sumAsk++
	b.callers.saw(who, now)
}

// spend pays for one call more, if there is something left: for one caller, of half of
// it where others call too.
func (b *budget) spend(now time.Time, who string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.forget(now)
	most := max(budgetLeast, b.sumAsk*b.percent/100)
	if b.percent == 0 || b.sumMore >= most || b.callers.beside(who, now.Add(-callersWindow)) && b.spent(who) >= most/2 {
		return false
	}
	if b.again[i] == nil {
		b.again[i] = map[string]int64{}
	}
	b.again[i][who]++
	b.sumMore++
	return true
}

// spent is what who has had.
func (b *budget) spent(who string) (n int64) {
	for _, by := range b.again {
		n += by[who]
	}
	return n
}
