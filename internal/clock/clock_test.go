package clock_test

import (
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/clock"
	"github.com/sallyport-dev/sallyport/internal/clock/clocktest"
)

func TestTheTestsClockIsWhatAMachinesIs(t *testing.T) {
	c := clocktest.New()
	before := c.Now()
	if got := before.UTC().Format(time.RFC3339Nano); got != "2026-03-04T05:06:07Z" {
		t.Fatalf("it is %s", got)
	}
	c.Pass(1500 * time.Millisecond)
	c.Step(-time.Hour)
	after := c.Now()
	if got := after.Sub(before); got != 1500*time.Millisecond {
		t.Errorf("by the monotonic clock %v passed", got)
	}
	if got := after.Round(0).Sub(before.Round(0)); got != 1500*time.Millisecond-time.Hour {
		t.Errorf("by the wall clock %v passed", got)
	}
	if !after.After(before) || after.UTC().After(before.UTC()) {
		t.Error("the readings are not told apart")
	}
	running := clocktest.Running()
	if off := time.Until(running.Now().Round(0)); off.Abs() > time.Minute {
		t.Errorf("a running clock is off by %v", off)
	}
}

func TestNothingIsYoungerThanEitherClockSays(t *testing.T) {
	for name, c := range map[string]struct {
		passes, steps, want time.Duration
	}{
		"nothing happens":                  {time.Minute, 0, time.Minute},
		"the wall clock is set back":       {time.Minute, -time.Hour, time.Minute},
		"the machine slept, or was set on": {time.Minute, time.Hour, time.Hour + time.Minute},
	} {
		k := clocktest.New()
		then := k.Now()
		k.Pass(c.passes)
		k.Step(c.steps)
		if got := clock.Elapsed(then, k.Now()); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		if got := clock.Elapsed(then.UTC(), k.Now().UTC()); got != c.passes+c.steps {
			t.Errorf("%s: without a monotonic reading %v", name, got)
		}
	}
}

func TestAStepIsNoticedAndBelievedAfterAnHour(t *testing.T) {
	var w clock.Watch
	c := clocktest.New()
	look := func(want time.Duration, stepped, settled bool) {
		t.Helper()
		if got := w.Look(c.Now()); got != want || w.Stepped() != stepped || w.Settled() != settled {
			t.Fatalf("%s: a step of %v, stepped %t, settled %t; want %v, %t, %t", c.Now().UTC(), got, w.Stepped(), w.Settled(), want, stepped, settled)
		}
	}
	look(0, false, false) // it has just started
	c.Pass(time.Hour)
	look(0, false, true)
	c.Step(900 * time.Millisecond) // the network's time may do that
	look(0, false, true)
	c.Step(-2 * time.Hour)
	c.Pass(time.Minute)
	look(-2*time.Hour, true, false)
	c.Pass(59 * time.Minute)
	look(0, true, false)
	c.Step(2 * time.Hour) // and back
	look(2*time.Hour, true, false)
	c.Pass(time.Hour)
	look(0, false, true)
}
