package authserver

import (
	"container/list"
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
)

// A request that would wait longer than this for its turn is refused at once,
// while there is nothing lost yet.
const longestWait = 500 * time.Millisecond

const (
	firstCost   = time.Millisecond       // of a turn, until one was measured
	longestTurn = 100 * time.Millisecond // more is a clock that was set, or a machine that was asleep
	mostWaiting = 1 << 13
)

// Turns lets as many RSA signatures run at once as there are cores. A signature
// holds a core for a millisecond, so more at once only make all of them late, and
// hold up what could be answered at once.
//
// The others wait in line, each client in one of its own, and the lines are
// served in turn: who asks for a thousand tokens waits for them, and who asks for
// one beside that waits for one. Create it with [NewTurns]; environments share it
// as they share the cores. ADR 0022.
type Turns struct {
	Now func() time.Time

	mu   sync.Mutex
	at   int           // signatures that may run at once
	cost time.Duration // of a turn, lately
	lines
}

// lines is who waits for one of a few places, each in the line of its own; the
// lines are served in turn. Whoever has it holds a lock.
type lines struct {
	free    int
	waiting int
	byOwner map[string]*line
	order   list.List // of *line, the next to be served first
	counts  TurnCounts
}

// TurnCounts is how turns went since the start of the program.
type TurnCounts struct {
	Waiting int           // now
	Turns   int64         // that were given
	Waits   int64         // of these, after waiting
	Waited  time.Duration // by these together
	Refused int64         // at once, since the wait would have been too long
	GivenUp int64         // that waited in vain
	Cost    time.Duration // of a turn, lately
}

// Counts returns how turns went until now.
func (t *Turns) Counts() TurnCounts {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts
	c.Waiting, c.Cost = t.waiting, t.cost
	return c
}

// line is the requests of one owner that wait, the oldest first.
type line struct {
	owner   string
	waiters list.List // of chan time.Time, which brings when the turn began
	place   *list.Element
}

// NewTurns returns turns for at signatures at once.
func NewTurns(at int, now func() time.Time) *Turns {
	return &Turns{Now: now, at: at, cost: firstCost, lines: linesFor(at)}
}

func linesFor(places int) lines { return lines{free: places, byOwner: map[string]*line{}} }

// take waits for a turn, which the caller gives back. If the wait would be too
// long it is told so, and how long it would be.
func (t *Turns) take(ctx context.Context, app id.App) (began time.Time, err error) {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.counts.Turns++
		t.mu.Unlock()
		return t.Now(), nil
	}
	if wait := t.wait(app); wait > longestWait || t.waiting >= mostWaiting {
		t.counts.Refused++
		t.mu.Unlock()
		ref := unavailable("too many tokens are waiting to be signed")
		ref.retry = wait
		return began, ref
	}
	l, turn := t.join(string(app))
	t.mu.Unlock()
	joined := t.Now()

	timer := time.NewTimer(signingPatience)
	defer timer.Stop()
	ready, _ := turn.Value.(chan time.Time)
	reason := "the client has gone"
	select {
	case began := <-ready:
		// Behind whatever else can run: turns would pass from hand to hand, and
		// what came in meanwhile would not be read for a quarter of a second.
		runtime.Gosched()
		t.mu.Lock()
		t.counts.Turns++
		t.counts.Waits++
		t.counts.Waited += max(0, began.Sub(joined))
		t.mu.Unlock()
		return began, nil
	case <-ctx.Done():
	case <-timer.C:
		reason = "a signature took its turn too late"
	}
	t.mu.Lock()
	t.counts.GivenUp++
	select {
	case <-ready: // while we turned away
		t.pass(t.Now())
	default:
		t.leave(l, turn)
	}
	t.mu.Unlock()
	return began, unavailable(reason)
}

// give gives back a turn that began then.
func (t *Turns) give(began time.Time) {
	now := t.Now()
	took := min(max(0, now.Sub(began)), longestTurn)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cost += (took - t.cost) / 16
	t.pass(now)
}

// wait is how long the next request of a client would wait: until those before it
// in its own line had their turns, and as many of every other line.
func (t *Turns) wait(app id.App) time.Duration {
	own, lines := 0, len(t.byOwner)
	if l := t.byOwner[string(app)]; l != nil {
		own = l.waiters.Len()
	} else {
		lines++
	}
	ahead := min(t.waiting, (own+1)*lines-1)
	return time.Duration(ahead+1) * t.cost / time.Duration(t.at)
}

// join puts a request at the end of its owner's line.
func (t *lines) join(owner string) (*line, *list.Element) {
	l := t.byOwner[owner]
	if l == nil {
		l = &line{owner: owner}
		l.place = t.order.PushBack(l)
		t.byOwner[owner] = l
	}
	t.waiting++
	return l, l.waiters.PushBack(make(chan time.Time, 1))
}

// leave takes a request out of its line.
func (t *lines) leave(l *line, turn *list.Element) {
	l.waiters.Remove(turn)
	t.waiting--
	if l.waiters.Len() == 0 {
		t.order.Remove(l.place)
		delete(t.byOwner, l.owner)
	}
}

// pass gives a turn to the first of the line whose it is, and puts that line
// behind the others.
func (t *lines) pass(now time.Time) {
	first := t.order.Front()
	if first == nil {
		t.free++
		return
	}
	l, _ := first.Value.(*line)
	turn := l.waiters.Front()
	ready, _ := turn.Value.(chan time.Time)
	ready <- now
	t.order.MoveToBack(first)
	t.leave(l, turn)
}
