package gateway

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-dev/sallyport/internal/manifest"
	"github.com/sallyport-dev/sallyport/internal/upstream"
)

// maxProbes is how many probes a gateway makes at once. Others wait.
const maxProbes = 64

// maxProbeBody bounds what of an answer is read so that its connection can be used
// again.
const maxProbeBody = 64 << 10

// probes asks servers how they do, each in a goroutine of its own, for as long as a
// catalogue has them.
type probes struct {
	places chan struct{}
	all    sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	running map[*upstream.State]probe
}

// probe is what is under way for one server.
type probe struct {
	of     *target
	health manifest.Health
	stop   context.CancelFunc
}

func newProbes() *probes {
	return &probes{places: make(chan struct{}, maxProbes), running: map[*upstream.State]probe{}}
}

// follow probes what t has, and nothing else. What is probed already, in the same
// way, goes on as it was.
func (p *probes) follow(t *table) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	wanted := map[*upstream.State]bool{}
	for _, r := range t.routes {
		if r.target == nil || r.target.pool == nil || r.target.upstream.Health == nil || r.target.upstream.Health.Path == "" {
			continue
		}
		health := *r.target.upstream.Health
		for i, state := range r.target.pool.states {
			member := r.target.pool.members[i]
			wanted[state] = true
			if was, there := p.running[state]; there {
				if was.of.transport == member.transport && was.health == health {
					continue
				}
				was.stop()
			}
			ctx, stop := context.WithCancel(context.Background())
			p.running[state] = probe{member, health, stop}
			p.all.Go(func() { p.keep(ctx, member, state, health) })
		}
	}
	for state, was := range p.running {
		if !wanted[state] {
			was.stop()
			delete(p.running, state)
		}
	}
}

// close ends all probes, and waits for them.
func (p *probes) close() {
	p.mu.Lock()
	p.closed = true
	for _, was := range p.running {
		was.stop()
	}
	clear(p.running)
	p.mu.Unlock()
	p.all.Wait()
}

// keep probes a server until ctx ends. The first probe comes at some time of the first
// interval, and each after about one: however many servers there are, they are not
// asked all at once.
func (p *probes) keep(ctx context.Context, t *target, state *upstream.State, health manifest.Health) {
	timer := time.NewTimer(rand.N(health.Interval)) //nolint:gosec // it spreads, and keeps no secret
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		select {
		case <-ctx.Done():
			return
		case p.places <- struct{}{}:
		}
		ok := ask(ctx, t, health)
		<-p.places
		if ctx.Err() != nil {
			return
		}
		state.Probed(ok)
		timer.Reset(health.Interval*9/10 + rand.N(health.Interval/5)) //nolint:gosec // as above
	}
}

// ask makes one probe.
func ask(ctx context.Context, t *target, health manifest.Health) bool {
	ctx, cancel := context.WithTimeout(ctx, health.Timeout)
	defer cancel()
	at := *t.url
	at.Path = strings.TrimSuffix(at.Path, "/") + health.Path
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return false
	}
	r.Header["User-Agent"] = []string{"Sallyport-Health"}
	res, err := t.transport.RoundTrip(r)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxProbeBody))
	if health.Status == 0 {
		return res.StatusCode >= 200 && res.StatusCode < 300
	}
	return int64(res.StatusCode) == health.Status
}

// Close ends what the gateway does beside calls.
func (g *Gateway) Close() { g.proxy.probes.close() }

// Standing is how the servers of an API's upstream do.
type Standing struct {
	API     string
	Healthy int // of Targets, those that have turns
	Total   int
	Targets []TargetStanding
}

// TargetStanding is how one server does.
type TargetStanding struct {
	URL     string
	Healthy bool
	Breaker string // its state, as package upstream names it; empty: it has none
	Passed  int64  // how often it began to be passed over
}

// Standings tells of the upstreams about whose servers anything is known, by API.
func (g *Gateway) Standings() []Standing {
	var all []Standing
	now := g.Now()
	for _, r := range g.table.Load().routes {
		if r.target == nil || r.target.pool == nil {
			continue
		}
		s := Standing{API: r.api.Name}
		s.Healthy, s.Total = r.target.pool.Standing()
		for i, state := range r.target.pool.states {
			s.Targets = append(s.Targets, TargetStanding{
				URL: r.target.pool.members[i].url.String(), Healthy: state.Well(now), Breaker: state.Breaker(), Passed: state.Passed(),
			})
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Standing) int { return strings.Compare(a.API, b.API) })
	return all
}
