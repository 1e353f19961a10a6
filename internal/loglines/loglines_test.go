package loglines_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/loglines"
)

// sink takes lines, when it is let.
type sink struct {
	mu     sync.Mutex
	text   bytes.Buffer
	writes int
	gate   chan struct{} // nil: open
	fail   int           // how many bytes are taken before an error; 0: all
	silent bool          // and of the error nothing is said
	none   bool          // nothing is taken
	tries  int
}

func (s *sink) full(none bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.none = none
}

func (s *sink) Write(b []byte) (int, error) {
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	if s.none {
		return 0, errors.New("no space left on device")
	}
	s.writes++
	if n := s.fail; n > 0 {
		s.fail = 0
		s.text.Write(b[:n])
		if s.silent {
			return n, nil
		}
		return n, errors.New("no space left on device")
	}
	return s.text.Write(b)
}

func (s *sink) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Split(strings.TrimSuffix(s.text.String(), "\n"), "\n")
}

func write(t *testing.T, w *loglines.Writer, line string) {
	t.Helper()
	if n, err := w.Write([]byte(line + "\n")); err != nil || n != len(line)+1 {
		t.Errorf("Write: %d, %v", n, err)
	}
}

func nothingLost(t *testing.T) func(int) {
	return func(lost int) { t.Errorf("%d lines were lost", lost) }
}

func TestLinesOfManyAreWrittenWholeAndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		w := loglines.New(s, nothingLost(t))
		var wg sync.WaitGroup
		for who := range 8 {
			wg.Go(func() {
				for n := range 100 {
					write(t, w, fmt.Sprintf("%d %d", who, n))
				}
			})
		}
		wg.Wait()
		time.Sleep(2 * loglines.Linger)
		next := [8]int{}
		for _, line := range s.lines() {
			var who, n int
			if _, err := fmt.Sscanf(line, "%d %d", &who, &n); err != nil || next[who] != n {
				t.Fatalf("%q, want line %d of %d", line, next[who], who)
			}
			next[who]++
		}
		if s.writes != 1 {
			t.Errorf("%d writes for lines of the same moment", s.writes)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestClosingWritesWhatIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		w := loglines.New(s, nothingLost(t))
		write(t, w, "the last")
		if err := w.Close(); err != nil || s.lines()[0] != "the last" {
			t.Errorf("%q, %v", s.lines(), err)
		}
		if _, err := w.Write([]byte("too late\n")); err == nil {
			t.Error("a line was taken by a closed log")
		}
		if err := w.Close(); err != nil {
			t.Errorf("closed twice: %v", err)
		}
	})
}

// A terminal that was stopped, a pipe whose reader hangs.
func TestALogThatNobodyTakesStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{gate: make(chan struct{})}
		told := make(chan int, 1)
		w := loglines.New(s, func(lost int) { told <- lost })
		long := strings.Repeat("x", loglines.Room/8)
		const many = 40
		began := time.Now()
		for range many {
			write(t, w, long)
		}
		if took := time.Since(began); took > 2*loglines.Patience {
			t.Errorf("whoever logs waited for %s", took)
		}
		close(s.gate)
		lost := <-told
		if got := len(s.lines()); lost == 0 || got+lost < many {
			time.Sleep(time.Second) // the rest is on its way
			if got = len(s.lines()); got+lost != many {
				t.Errorf("%d lines were written and %d told as lost, of %d", got, lost, many)
			}
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestASlowLogSlowsWhoeverFloodsItAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{gate: make(chan struct{})}
		w := loglines.New(s, nothingLost(t))
		stop := make(chan struct{})
		go func() {
			for {
				time.Sleep(loglines.Patience / 2)
				select {
				case s.gate <- struct{}{}:
				case <-stop:
					return
				}
			}
		}()
		long := strings.Repeat("x", loglines.Room/4)
		const many = 40
		for range many {
			write(t, w, long)
		}
		time.Sleep(100 * loglines.Patience)
		if got := len(s.lines()); got != many {
			t.Errorf("%d lines of %d", got, many)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		close(stop)
	})
}

func TestALogThatStaysStuckDoesNotKeepTheProgramFromEnding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{gate: make(chan struct{})}
		w := loglines.New(s, nothingLost(t))
		write(t, w, "nobody will read this")
		if err := w.Close(); err == nil {
			t.Error("closed, though nothing was written")
		}
		close(s.gate)
	})
}

func TestALineThatWasCutShortDoesNotSpoilTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{fail: len("whole\nbro")}
		told := make(chan int, 1)
		w := loglines.New(s, func(lost int) { told <- lost })
		write(t, w, "whole")
		write(t, w, "broken")
		time.Sleep(2 * loglines.Linger)
		write(t, w, "whole again")
		if lost := <-told; lost != 1 {
			t.Errorf("%d lines were told as lost, not 1", lost)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if got := strings.Join(s.lines(), "|"); got != "whole|bro|whole again" {
			t.Error(got)
		}
	})
}

func TestALoggerTellsWhatItLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{gate: make(chan struct{})}
		logger, w := loglines.JSON(s, slog.LevelInfo)
		long := strings.Repeat("x", loglines.Room/8)
		for range 40 {
			logger.Info("a line", slog.String("text", long))
		}
		close(s.gate)
		time.Sleep(time.Second)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if last := s.lines()[len(s.lines())-1]; !strings.Contains(last, `"lost":`) {
			t.Errorf("the last line is %.200s", last)
		}
	})
}

// A disk that is full, and has room again.
func TestNoLossIsForgottenWhileNothingCanBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		logger, w := loglines.JSON(s, slog.LevelInfo)
		for range 5 {
			s.full(true)
			for range 3 {
				logger.Info("a line")
				time.Sleep(5 * loglines.Linger)
			}
			s.full(false)
			logger.Info("another")
			time.Sleep(5 * loglines.Linger)
		}
		if lines := s.lines(); len(lines) != 10 || strings.Count(s.text.String(), `"lost":3`) != 5 {
			t.Errorf("%q", lines)
		}
		tries := s.tries
		time.Sleep(time.Minute)
		if s.tries != tries {
			t.Errorf("%d writes while nobody logs", s.tries-tries)
		}
		s.full(true)
		logger.Info("a line")
		time.Sleep(5 * loglines.Linger)
		s.full(false)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if lines := s.lines(); !strings.Contains(lines[len(lines)-1], `"lost":1`) {
			t.Errorf("at the end: %q", lines[len(lines)-1])
		}
	})
}

// Whoever logs waits for room with the lock of the logger, which whoever tells of the
// loss needs.
func TestTellingOfALossWaitsForNobodyWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{gate: make(chan struct{}), fail: 1}
		logger, w := loglines.JSON(s, slog.LevelInfo)
		long := strings.Repeat("x", loglines.Room/4)
		var wg sync.WaitGroup
		logger.Info("the first")
		time.Sleep(2 * loglines.Linger) // it is being written
		wg.Go(func() {
			for range 12 {
				logger.Info("a line", slog.String("text", long))
			}
		})
		synctest.Wait() // there is no more room
		close(s.gate)   // the write fails
		wg.Wait()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if text := s.text.String(); strings.Count(text, long)+1 != 13 || strings.Count(text, `"lost":1}`) != 1 {
			t.Errorf("%d lines", strings.Count(text, "\n"))
		}
	})
}

// It should return an error, but not every sink does.
func TestAShortWriteWithoutAnErrorIsALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{fail: len("whole\nbro"), silent: true}
		told := 0
		w := loglines.New(s, func(lost int) { told += lost })
		write(t, w, "whole")
		write(t, w, "broken")
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if told != 1 {
			t.Errorf("%d lines were told as lost", told)
		}
	})
}

// Whoever logs while the program ends has its line written, or is told.
func TestNoLineIsTakenAndForgottenAtTheEnd(t *testing.T) {
	for range 50 {
		s := &sink{}
		w := loglines.New(s, nothingLost(t))
		var wg sync.WaitGroup
		taken := make([]int, 4)
		for who := range taken {
			wg.Go(func() {
				for {
					if _, err := fmt.Fprintf(w, "%d\n", who); err != nil {
						return
					}
					taken[who]++
				}
			})
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		all := 0
		for _, n := range taken {
			all += n
		}
		if got := strings.Count(s.text.String(), "\n"); got != all {
			t.Fatalf("%d lines of %d", got, all)
		}
	}
}
