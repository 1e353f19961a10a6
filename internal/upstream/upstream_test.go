package upstream

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func quiet(bool, string) {}

func rules() Rules { return Rules{Unhealthy: 3, Healthy: 2, Eject: 5 * time.Second} }

func pool(r Rules, weights ...int64) *Pool {
	targets := make([]Target, len(weights))
	for i, w := range weights {
		targets[i] = Target{NewState(r, quiet), w}
	}
	return New(targets, 20, time.Now)
}

// turns makes n calls that end so, and returns how many each target got.
func turns(t *testing.T, p *Pool, n int, outcome func(index int) Outcome) []int {
	t.Helper()
	got := make([]int, len(p.targets))
	for range n {
		turn, err := p.Choose(0, "")
		if err != nil {
			t.Fatal(err)
		}
		got[turn.Index]++
		turn.Done(outcome(turn.Index))
	}
	return got
}

func answers(int) Outcome { return Answered }

func failing(which ...int) func(int) Outcome {
	return func(index int) Outcome {
		if slices.Contains(which, index) {
			return Failed
		}
		return Answered
	}
}

func TestTurnsAreSharedOutByWeightWhateverIsPassedOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Int64Range(0, 9), 1, 6).Draw(t, "weights")
		p := pool(rules(), weights...)
		bad := rapid.IntRange(-1, len(weights)-1).Draw(t, "bad")
		total := int64(0)
		for i, w := range weights {
			if i == bad {
				p.targets[i].State.Probed(false)
				p.targets[i].State.Probed(false)
				p.targets[i].State.Probed(false)
				continue
			}
			total += w
		}
		if total == 0 {
			return
		}
		got := make([]int64, len(weights))
		for range 3 * total {
			turn, err := p.Choose(0, "")
			if err != nil {
				t.Fatal(err)
			}
			got[turn.Index]++
		}
		for i, w := range weights {
			want := 3 * w
			if i == bad {
				want = 0
			}
			if got[i] != want {
				t.Errorf("of weights %v without %d: turns %v", weights, bad, got)
			}
		}
	})
}

func TestATargetThatFailsIsPassedOverForLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pool(rules(), 1, 1)
		if got := turns(t, p, 20, failing(0)); got[0] != 3 {
			t.Fatalf("it had %d turns until it was passed over, want 3", got[0])
		}
		if well, total := p.Standing(); well != 1 || total != 2 {
			t.Errorf("%d of %d do well", well, total)
		}
		time.Sleep(5 * time.Second)
		if got := turns(t, p, 20, failing(0)); got[0] != 1 {
			t.Fatalf("it had %d turns when it was tried again, want 1", got[0])
		}
		time.Sleep(5 * time.Second)
		if got := turns(t, p, 20, failing(0)); got[0] != 0 {
			t.Fatalf("it had %d turns within the longer while", got[0])
		}
		for range 20 {
			time.Sleep(LongestEjection)
			turns(t, p, 4, failing(0))
		}
		time.Sleep(LongestEjection)
		if got := turns(t, p, 20, answers); got[0] != 10 {
			t.Errorf("it had %d turns once it was well, want half", got[0])
		}
	})
}

func TestIfNoneDoesWellEachHasItsTurn(t *testing.T) {
	p := pool(rules(), 2, 1)
	turns(t, p, 20, failing(0, 1))
	turn, err := p.Choose(0, "")
	if err != nil || !turn.Desperate {
		t.Fatalf("%+v, %v", turn, err)
	}
	if got := turns(t, p, 30, failing(0, 1)); got[0] < 15 || got[1] < 5 {
		t.Errorf("turns %v", got)
	}
}

func TestWhatIsTheCallersDoingCountsForNothing(t *testing.T) {
	p := pool(rules(), 1)
	turns(t, p, 100, func(int) Outcome { return Unknown })
	if turn, err := p.Choose(0, ""); err != nil || turn.Desperate {
		t.Errorf("%+v, %v", turn, err)
	}
}

func TestABreakerOpensAndOneCallFindsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rules()
		r.Breaker = Breaker{Failures: 4, OpenFor: 10 * time.Second}
		p := pool(r, 1)
		turns(t, p, 3, failing(0))
		turns(t, p, 1, answers)
		turns(t, p, 4, failing(0))
		var open *OpenError
		if _, err := p.Choose(0, ""); !errors.As(err, &open) || open.Retry <= 9*time.Second || open.Retry > 10*time.Second {
			t.Fatalf("got %v", err)
		}
		time.Sleep(10*time.Second + 1)
		turn, err := p.Choose(0, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Choose(0, ""); !errors.As(err, &open) {
			t.Errorf("a second call finds out too: %v", err)
		}
		turn.Done(Unknown) // it found out nothing
		if turn, err = p.Choose(0, ""); err != nil {
			t.Fatal(err)
		}
		turn.Done(Failed)
		if _, err := p.Choose(0, ""); !errors.As(err, &open) {
			t.Errorf("it is not open again: %v", err)
		}
		time.Sleep(10*time.Second + 1)
		turns(t, p, 20, answers)
	})
}

func TestABreakerOpensByRatio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rules()
		r.Breaker = Breaker{Percent: 50, OpenFor: 10 * time.Second}
		p := pool(r, 1)
		turns(t, p, 9, failing(0))
		turns(t, p, 10, answers)
		turns(t, p, 1, failing(0))
		var open *OpenError
		if _, err := p.Choose(0, ""); !errors.As(err, &open) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAnOpenBreakerIsPassedOver(t *testing.T) {
	r := rules()
	r.Breaker = Breaker{Failures: 1, OpenFor: time.Hour}
	p := pool(r, 1, 1)
	turns(t, p, 2, failing(0))
	if got := turns(t, p, 10, answers); got[1] != 10 {
		t.Errorf("turns %v", got)
	}
}

func TestEachAttemptIsAtAnotherTarget(t *testing.T) {
	p := pool(rules(), 1, 1, 0)
	var tried Tried
	for range 2 {
		turn, err := p.Choose(tried, "")
		if err != nil {
			t.Fatal(err)
		}
		tried.Add(turn.Index)
	}
	if _, err := p.Choose(tried, ""); tried != 3 || !errors.Is(err, ErrTried) {
		t.Errorf("tried %b, %v", tried, err)
	}
}

func TestProbesMarkATargetAndTakeItBack(t *testing.T) {
	s := NewState(rules(), quiet)
	say := func(ok bool, want bool) {
		t.Helper()
		s.Probed(ok)
		if s.Well(time.Now()) != want {
			t.Errorf("after a probe of %v it does well: %v", ok, !want)
		}
	}
	say(false, true)
	say(false, true)
	say(true, true)
	say(false, true)
	say(false, true)
	say(false, false)
	say(true, false)
	say(false, false)
	say(true, false)
	say(true, true)
}

// Model: in no stretch of ten seconds is more asked again than the budget has.
func TestWhatIsAskedAgainStaysWithinItsBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &budget{percent: rapid.Int64Range(0, 100).Draw(t, "percent")}
		now := time.Unix(1_800_000_000, 0)
		type one struct {
			at    int64
			again bool
		}
		var all []one
		for range 300 {
			now = now.Add(time.Duration(rapid.Int64Range(0, 1500).Draw(t, "ms")) * time.Millisecond)
			b.earn(now, "")
			all = append(all, one{now.Unix(), false})
			for range 2 {
				asked, again := int64(0), int64(0)
				for _, o := range all {
					switch {
					case o.at <= now.Unix()-budgetSeconds:
					case o.again:
						again++
					default:
						asked++
					}
				}
				want := b.percent > 0 && again < max(budgetLeast, asked*b.percent/100)
				if got := b.spend(now, ""); got != want {
					t.Fatalf("asked %d, again %d: %v", asked, again, got)
				}
				if want {
					all = append(all, one{now.Unix(), true})
				}
			}
		}
	})
}

// by makes a call by who that ends so.
func by(t *testing.T, p *Pool, who string, outcome Outcome) {
	t.Helper()
	turn, err := p.Choose(0, who)
	if err != nil {
		t.Fatalf("%s: %v", who, err)
	}
	turn.Done(outcome)
}

// A customer has calls that never get an answer: a report that takes too long, a body
// that comes byte by byte, a limit of the upstream's own. Whatever it does, the breaker
// opens for nobody, and no server is passed over, while others are answered.
func TestACustomerCannotTakeAServerFromOthers(t *testing.T) {
	for name, breaker := range map[string]Breaker{
		"in a row": {Failures: 4, OpenFor: time.Minute}, "by ratio": {Percent: 30, OpenFor: time.Minute}, "without a breaker": {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rules()
				r.Breaker = breaker
				p := pool(r, 1, 1)
				for range 60 {
					by(t, p, "victim", Answered)
					by(t, p, "victim", Answered)
					for range 10 { // at the same moment, so that no answer is between them
						by(t, p, "attacker", Unanswered)
					}
					time.Sleep(time.Second)
				}
				if well, total := p.Standing(); well != total {
					t.Errorf("%d of %d do well", well, total)
				}
				// Nor do strangers, who can call what is public, speak for others.
				for range 10 {
					by(t, p, "", Unanswered)
					by(t, p, "attacker", Unanswered)
				}
				by(t, p, "victim", Answered)
				if well, total := p.Standing(); well != total {
					t.Errorf("with strangers: %d of %d do well", well, total)
				}
			})
		})
	}
}

func TestAServerThatAnswersNobodyIsFoundOut(t *testing.T) {
	outage := func(after time.Duration, who ...string) func(t *testing.T) {
		return func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rules()
				r.Breaker = Breaker{Failures: 4, OpenFor: time.Minute}
				p := pool(r, 1)
				for _, each := range who {
					by(t, p, each, Answered)
				}
				time.Sleep(after)
				for range 3 {
					for _, each := range who {
						if turn, err := p.Choose(0, each); err == nil {
							turn.Done(Unanswered)
						}
					}
				}
				if turn, err := p.Choose(0, who[0]); err == nil {
					turn.Done(Unanswered)
				}
				if _, err := p.Choose(0, "victim"); err == nil {
					t.Error("the breaker is not open")
				}
			})
		}
	}
	t.Run("by two", outage(0, "one", "another"))
	t.Run("by one who calls alone", outage(callersWindow, "one", "")) // strangers say nothing
	t.Run("by strangers alone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := rules()
			r.Breaker = Breaker{Failures: 4, OpenFor: time.Minute}
			p := pool(r, 1)
			by(t, p, "", Answered)
			for range 10 {
				by(t, p, "", Unanswered) // one of them, for all that is known
			}
			time.Sleep(callersWindow)
			for range 4 {
				by(t, p, "", Unanswered)
			}
			if _, err := p.Choose(0, ""); err == nil {
				t.Error("the breaker is not open")
			}
		})
	})
}

// The breaker is open. Who gets the one call by which it finds out never ends it, or has
// it fail, again and again: the next one is somebody else's.
func TestACustomerCannotKeepABreakerOpen(t *testing.T) {
	opened := func(t *testing.T) *Pool {
		t.Helper()
		r := rules()
		r.Breaker = Breaker{Failures: 1, OpenFor: 10 * time.Second}
		p := pool(r, 1)
		by(t, p, "attacker", Failed)
		if _, err := p.Choose(0, "victim"); err == nil {
			t.Fatal("it is not open")
		}
		time.Sleep(10*time.Second + 1)
		return p
	}
	t.Run("by a call without an end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := opened(t)
			endless, err := p.Choose(0, "attacker")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Choose(0, "victim"); err == nil {
				t.Error("two find out at once")
			}
			time.Sleep(10 * time.Second)
			if _, err := p.Choose(0, "attacker"); err == nil {
				t.Error("it has the next one too")
			}
			by(t, p, "victim", Answered)
			endless.Done(Unanswered) // at last, and too late
			by(t, p, "victim", Answered)
		})
	})
	t.Run("by calls that fail", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := opened(t)
			by(t, p, "attacker", Unanswered)
			if _, err := p.Choose(0, "victim"); err == nil {
				t.Error("it is not open again")
			}
			time.Sleep(10*time.Second + 1)
			if _, err := p.Choose(0, "attacker"); err == nil {
				t.Error("it has the next one too")
			}
			by(t, p, "victim", Answered)
			by(t, p, "attacker", Answered)
		})
	})
	t.Run("who calls alone waits for nobody", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := rules()
			r.Breaker = Breaker{Failures: 1, OpenFor: 10 * time.Second}
			p := pool(r, 1)
			for range 3 {
				by(t, p, "one", Unanswered)
				time.Sleep(10*time.Second + 1)
			}
			by(t, p, "one", Answered)
		})
	})
}

// Who has every call fail would be asked again for all of them, and nobody else for any.
func TestACustomerCannotHaveAllOfTheBudget(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	b := &budget{percent: 20}
	for range 100 {
		b.earn(now, "attacker")
	}
	b.earn(now, "victim")
	spent := 0
	for b.spend(now, "attacker") {
		spent++
	}
	left := 0
	for b.spend(now, "victim") {
		left++
	}
	if spent != 10 || left != 10 {
		t.Errorf("the attacker had %d, and left %d", spent, left)
	}
}
