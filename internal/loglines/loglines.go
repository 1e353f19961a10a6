// Package loglines writes lines of a log so that nobody who logs waits for the disk,
// the pipe or the terminal that takes them.
//
// The flow: [Writer.Write] appends a line to what is pending and returns; a goroutine
// writes what is pending, in one write, a few milliseconds after its first line came.
//
// Invariants: lines keep their order and are written whole; what is pending is
// bounded. While lines are taken at all, whoever logs more than can be taken waits.
// Once nothing was taken for a while, lines are lost, and counted, and the loss is
// told when lines are taken again: a log that nobody reads must not stop what it
// tells of. What a crash loses is the lines of the last few milliseconds.
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
)

// Writer is an io.Writer of lines. Create it with [New].
type Writer struct {
	to   io.Writer
	tell func(lost int)

	mu      sync.Mutex
	room    sync.Cond
	pending []byte
	stuck   bool // the write under way takes longer than Patience
	lost    int  // lines
	closed  bool

	wake    chan struct{}
	closing chan struct{}
	done    chan struct{}
	broken  bool // what was written last did not end with its line
}

// New returns a Writer to an io.Writer. Each Write it is given must be one line, with
// its end. Tell is called when lines were lost, and may write; it is called by one
// goroutine, one call at a time.
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
	for !w.fits(line) && !w.stuck && !w.closed {
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
	return len(w.pending) == 0 || len(w.pending)+len(line) <= Room
}

// Close writes what is pending, and returns once that is taken, or was not for longer
// than Patience.
func (w *Writer) Close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	w.room.Broadcast()
	w.mu.Unlock()
	close(w.closing)
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	select {
	case <-w.done:
		return nil
	case <-timer.C:
		return errors.New("the end of the log could not be written")
	}
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
		spare = w.flush(spare)
	}
}

// flush writes what is pending, and returns room for what will be.
func (w *Writer) flush(spare []byte) []byte {
	w.mu.Lock()
	lines := w.pending
	w.pending = spare[:0]
	w.room.Broadcast()
	w.mu.Unlock()
	if len(lines) == 0 {
		return lines
	}
	late := time.AfterFunc(Patience, func() { w.setStuck(true) })
	lost := w.write(lines)
	late.Stop()
	w.tellLost(lost)
	if cap(lines) > Room/4 {
		return nil // a burst need not be remembered
	}
	return lines
}

// tellLost tells of lines that were lost in the write that has ended, and while it
// was under way. Whoever tells does not wait for room: it would be for itself.
func (w *Writer) tellLost(lost int) {
	w.mu.Lock()
	lost += w.lost
	w.lost, w.stuck = 0, lost > 0
	w.mu.Unlock()
	if lost > 0 {
		w.tell(lost)
		w.setStuck(false)
	}
}

// write writes lines, and returns how many of them could not be.
func (w *Writer) write(lines []byte) (lost int) {
	if w.broken {
		if _, err := w.to.Write([]byte{'\n'}); err != nil {
			return bytes.Count(lines, []byte{'\n'})
		}
	}
	n, err := w.to.Write(lines)
	w.broken = n > 0 && n < len(lines) && lines[n-1] != '\n'
	if err != nil {
		return bytes.Count(lines[n:], []byte{'\n'})
	}
	return 0
}

func (w *Writer) setStuck(stuck bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuck = stuck
	w.room.Broadcast()
}
