package httpx

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// An answer is written in parts, each of which has to be taken within stallTimeout:
// whoever stops reading would hold a goroutine, and the upstream's connection, for
// as long as it likes. What is not written does not count: a stream of events may
// be silent for hours.
const (
	answerPart = 32 << 10
	buffered   = 2 << 10 // of an answer, which net/http keeps, and nobody has to take yet
)

// stalls bounds how long an answer waits for its reader.
type stalls struct {
	limit    time.Duration
	version  int // of HTTP
	watchdog *watchdog
}

func (s *stalls) most() time.Duration {
	if s.limit == 0 {
		return stallTimeout
	}
	return s.limit
}

// begin is called before a write, end after it. HTTP/1 has the connection's own
// deadline, which costs next to nothing, and which nothing minds that passes
// between two writes. Over HTTP/2 it would end the stream then: there it is set
// only once a write has waited too long.
func (s *stalls) begin(w http.ResponseWriter) {
	switch {
	case s.version < 2:
		writeBy(w, s.most())
		return
	case s.watchdog == nil:
		s.watchdog = &watchdog{bite: func() { writeBy(w, time.Nanosecond) }}
	}
	s.watchdog.start(s.most())
}

func (s *stalls) end() {
	if s.watchdog != nil {
		s.watchdog.stop()
	}
}

// last is called when the handler is done, and net/http writes what it has kept. A
// head alone does not wait for HTTP/2's windows.
func (s *stalls) last(w http.ResponseWriter, body bool) {
	if s.version < 2 || body {
		writeBy(w, s.most())
	}
}

// writeBy bounds how long writing may take from now on.
func writeBy(w http.ResponseWriter, d time.Duration) {
	at := time.Now().Add(d) //nolint:forbidigo // the network's clock, not ours
	_ = http.NewResponseController(w).SetWriteDeadline(at)
}

// rested takes the deadline of the answer before from a connection that waits for
// another request: net/http itself answers those that are none. From now on it may go
// to the lobby.
func rested(conn net.Conn, state http.ConnState) {
	if state == http.StateIdle {
		_ = conn.SetWriteDeadline(time.Time{})
		if g, ok := conn.(interface{ rest() }); ok {
			g.rest()
		}
	}
}

// watchdog bites if it is not stopped in time, and never after it was stopped: what
// it would bite may be gone by then.
type watchdog struct {
	bite  func()
	mu    sync.Mutex
	awake bool
	timer *time.Timer
}

func (d *watchdog) start(limit time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.awake = true
	if d.timer == nil {
		d.timer = time.AfterFunc(limit, d.wake)
		return
	}
	d.timer.Reset(limit)
}

func (d *watchdog) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.awake {
		d.bite()
	}
}

func (d *watchdog) stop() {
	d.timer.Stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.awake = false
}
