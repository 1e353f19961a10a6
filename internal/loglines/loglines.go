// Package loglines writes lines of a log so that nobody who logs waits for the disk,
// the pipe or the terminal that takes them.
//
// The flow: [Writer.Write] appends a line to what is pending and returns; a goroutine
// writes what is pending, in one write, a few milliseconds after its first line came.
//
// Invariants: lines keep their order and are written whole; what is pending is
// bounded. While lines are taken at all, whoever logs more than can be taken waits.
// Once nothing was taken for a while, or if it cannot be, lines are lost, and counted,
// and the loss is told when lines are taken again: a log that nobody reads must not stop
// what it tells of. What a crash loses is the lines of the last few milliseconds.
//
// It knows nothing of levels or formats, and does not rotate files.
package loglines

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// Linger is how long a line waits for others to be written with it.
	Linger = 5 * time.Millisecond
	// Patience is how long a write may take before what comes meanwhile is lost, if
	// there is no more room for it.
	Patience = time.Second
	// Room is how many bytes may be pending.
	Room = 4 << 20
	// reserve is for the line that tells of those that found no room.
	reserve = 64 << 10
)

// Writer is an io.Writer of lines. Create it with [New].
type Writer struct {
	to   io.Writer
	tell func(lost int)

	mu      sync.Mutex
	room    sync.Cond
	pending []byte
	turn    int  // of writing: each write has one, and each pause
	stuck   bool // the write under way takes longer than Patience
	telling bool // nobody waits, for it might be whoever tells
	lost    int  // lines
	told    int  // of them by a line that is pending
	ending  bool
	closed  bool

	wake    chan struct{}
	closing chan struct{}
	done    chan struct{}
	broken  bool // what was written last did not end with its line
}

// New returns a Writer to an io.Writer. Each Write it is given must be one line, with
// its end. Tell is called when lines were lost and others are taken again, and writes a
// line that says so; it is called by one goroutine, one call at a time.
func New(to io.Writer, tell func(lost int)) *Writer {
	w := &Writer{to: to, tell: tell, wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{})}
	w.room.L = &w.mu
	go w.run()
	return w
}

// JSON returns a logger whose records are lines of JSON, and what takes them, which is
// to be closed at the end.
func JSON(to io.Writer, level slog.Leveler) (*slog.Logger, *Writer) {
	var logger *slog.Logger
	w := New(to, func(lost int) {
		logger.Warn("lines of this log were lost: it was not taken, or could not be written, for a while", slog.Int("lost", lost))
	})
	logger = slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	return logger, w
}

// Write takes a line. It fails only once the Writer is closed; a line that is lost is
// told of otherwise.
func (w *Writer) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.fits(line) && !w.stuck && !w.telling && !w.closed {
		w.room.Wait()
	}
	switch {
	case w.closed:
		return 0, errClosed
	case !w.fits(line):
		w.lost++
		return len(line), nil
	}
	w.pending = append(w.pending, line...)
	select {
	case w.wake <- struct{}{}:
	default: // it is awake
	}
	return len(line), nil
}

var errClosed = errors.New("the log is closed")

// fits reports whether there is room for line; alone, it always fits.
func (w *Writer) fits(line []byte) bool {
	room := Room
	if w.telling {
		room += reserve
	}
	return len(w.pending) == 0 || len(w.pending)+len(line) <= room
}

// Close writes what is pending, and returns once that is taken, or was not for longer
// than Patience.
func (w *Writer) Close() error {
	w.mu.Lock()
	ending := w.ending
	w.ending = true
	w.mu.Unlock()
	if ending {
		return nil
	}
	close(w.closing)
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	select {
	case <-w.done:
		return nil
	case <-timer.C:
		w.end()
		return errors.New("the end of the log could not be written")
	}
}

// end lets no more lines be written.
func (w *Writer) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.room.Broadcast()
}

func (w *Writer) run() {
	defer close(w.done)
	var spare []byte
	linger := time.NewTimer(Linger)
	defer linger.Stop()
	for closing := false; !closing; {
		select {
		case <-w.wake:
			linger.Reset(Linger)
			select {
			case <-linger.C:
			case <-w.closing:
				closing = true
			}
		case <-w.closing:
			closing = true
		}
		var taken bool
		if spare, taken = w.flush(spare); taken || closing {
			w.tellLost()
		}
	}
	w.end()
	w.flush(spare) // what was told, and what came meanwhile
}

// flush writes what is pending. It returns room for what will be, and whether lines
// were taken.
func (w *Writer) flush(spare []byte) (_ []byte, taken bool) {
	w.mu.Lock()
	lines, told := w.pending, w.told
	w.pending, w.told = spare[:0], 0
	w.turn++
	turn := w.turn
	w.room.Broadcast()
	w.mu.Unlock()
	if len(lines) == 0 {
		return lines, false
	}
	late := time.AfterFunc(Patience, func() { w.late(turn) })
	lost := w.write(lines)
	late.Stop()
	w.landed(lost, told)
	if cap(lines) > Room/4 {
		return nil, lost == 0 // a burst need not be remembered
	}
	return lines, lost == 0
}

// late is called when the write of a turn has taken longer than Patience.
func (w *Writer) late(turn int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuck = w.turn == turn
	w.room.Broadcast()
}

// landed is called when a write has ended.
func (w *Writer) landed(lost, told int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn++
	w.stuck = false
	if lost > 0 && told > 0 {
		lost += told - 1 // what told of them is lost as well
	}
	w.lost += lost
}

// tellLost tells of lines that were lost. Whoever tells does not wait for room: it
// would be for itself, or behind somebody who waits, by a lock of the logger.
func (w *Writer) tellLost() {
	w.mu.Lock()
	lost := w.lost
	w.lost, w.told, w.telling = 0, lost, lost > 0
	w.room.Broadcast()
	w.mu.Unlock()
	if lost == 0 {
		return
	}
	w.tell(lost)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.telling = false
}

// write writes lines, and returns how many of them could not be.
func (w *Writer) write(lines []byte) (lost int) {
	if w.broken {
		if _, err := w.to.Write([]byte{'\n'}); err != nil {
			return bytes.Count(lines, []byte{'\n'})
		}
	}
	n, _ := w.to.Write(lines) // how far it came says it all
	w.broken = n > 0 && n < len(lines) && lines[n-1] != '\n'
	return bytes.Count(lines[n:], []byte{'\n'})
}
