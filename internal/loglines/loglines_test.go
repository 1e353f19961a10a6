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
}

func (s *sink) Write(b []byte) (int, error) {
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if n := s.fail; n > 0 {
		s.fail = 0
		s.text.Write(b[:n])
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
		if lost := <-told; lost != 1 {
			t.Errorf("%d lines were told as lost, not 1", lost)
		}
		write(t, w, "whole again")
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
