package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/limit"
	"github.com/sallyport-dev/sallyport/internal/loglines"
	"github.com/sallyport-dev/sallyport/internal/token"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// TestMain makes this test binary the server that test/bench measures, if that
// says so: a process of its own, whole but for the store of its crowd, that
// answers on its listeners, and about itself on standard output.
func TestMain(m *testing.M) {
	if text := os.Getenv("SALLYPORT_BENCH"); text != "" {
		if err := measureMe(text, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// order says what server test/bench wants.
type order struct {
	Apps    int
	Secrets int
	TLS     bool
	Folder  string
	Null    bool // a server that does nothing
	Sign    bool // it signs once for each request, by the environment's algorithm, if Null
	// Upstream is where production has an API, if it is to have one; if Null, to where
	// everything is passed on.
	Upstream string
	Apart    bool // its gateway knows nothing of what its token service has made, as if that were another node
	Changes  bool // a server that an operator changes, with a store and few apps
	Routes   int  // operations, in APIs of at most 100; 0: one API of one operation
}

// state is what the server tells of itself when it is asked.
type state struct {
	CPU     time.Duration // used so far, by all of the process
	Mallocs uint64        // so far
	Alloc   uint64        // bytes, so far
	Heap    uint64        // bytes that live, after a collection; only by "heap"
	Stacks  uint64        // bytes, after a collection; only by "heap"
	RSS     int64         // the most it has been, in KiB
	Bare    time.Duration // of one signature; only by "bare"
}

// measureMe serves until its input ends, and answers each line of it.
func measureMe(text string, in io.Reader, out io.Writer) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	headroom := Headroom(os.Getenv) // as cli.serve does
	defer runtime.KeepAlive(headroom)
	if o.Null {
		return measureNull(o, in, out)
	}
	file, err := os.Create(filepath.Join(o.Folder, "access.log"))
	if err != nil {
		return err
	}
	defer file.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	logger, lines := loglines.JSON(file, slog.LevelInfo) // as cli.serve does
	defer lines.Close()
	if o.Changes {
		return measureChanging(ctx, o, logger, in, out)
	}
	s, err := crowded(ctx, o.Folder, "RS256", crowd{apps: o.Apps, secrets: o.Secrets, sandbox: true}, logger, func(c *config.Config) {
		for _, e := range c.Environments {
			e.Plain = !o.TLS
		}
	})
	if err != nil {
		return err
	}
	defer s.close()
	if o.Upstream != "" {
		catalog, err := catalogOf(o)
		if err != nil {
			return err
		}
		s.production().gateway.SetCatalog(catalog)
	}
	if o.Apart {
		if s.production().gateway.Verifier, err = s.otherVerifier(token.DefaultCacheSize); err != nil {
			return err
		}
	}
	var serving errgroup.Group
	where := map[string]string{"ca": s.ca.File}
	for _, e := range s.environments {
		// Refusals are to be measured, not the limit of them.
		e.auth.Failures, e.auth.NetworkFailures = limit.New(1e6, 1e6, limitsKept), limit.New(1e6, 1e6, limitsKept)
		where[string(e.name)] = e.listener.url
		serving.Go(func() error { return e.listener.serve(ctx, s.environmentHandler(e), time.Second, logger) })
	}
	serving.Go(func() error { return usage.Run(ctx, s.meter, s.refusals, s.store, flushInterval, logger) })
	b, err := newBare()
	if err != nil {
		return err
	}
	if err := b.tell(where, o.Folder, uint64(len(headroom)), in, out); err != nil {
		return err
	}
	cancel()
	return serving.Wait()
}

// tell says where the server is, and then answers each line of in.
func (b bare) tell(where map[string]string, folder string, headroom uint64, in io.Reader, out io.Writer) error {
	answers := json.NewEncoder(out)
	if err := answers.Encode(where); err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		st, err := b.answer(lines.Text(), folder)
		if err != nil {
			return err
		}
		st.Heap -= min(st.Heap, headroom)
		if err := answers.Encode(st); err != nil {
			return err
		}
	}
	return nil
}

// answer does what a line asks for.
func (b bare) answer(line, folder string) (state, error) {
	st := state{}
	var memory runtime.MemStats
	switch what, rest, _ := strings.Cut(line, " "); what {
	case "bare":
		cost, err := b.cost(rest)
		if err != nil {
			return st, err
		}
		st.Bare = cost
	case "heap":
		runtime.GC()
		runtime.ReadMemStats(&memory)
		st.Heap, st.Stacks = memory.HeapAlloc, memory.StackInuse
	case "profile":
		file, err := os.Create(filepath.Join(folder, rest))
		if err != nil {
			return st, err
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return st, err
		}
	case "profiled":
		pprof.StopCPUProfile()
	}
	runtime.ReadMemStats(&memory)
	st.Mallocs, st.Alloc = memory.Mallocs, memory.TotalAlloc
	usage, err := cpuTime()
	st.CPU, st.RSS = usage, residentPeak()
	return st, err
}

// bare is a way to sign, with nothing around it, for each core.
type bare map[string][]func(input []byte) error

func newBare() (bare, error) {
	b := bare{}
	for _, algorithm := range []string{"RS256", "ES256"} {
		for range runtime.GOMAXPROCS(0) {
			sign, err := bareSigner(algorithm)
			if err != nil {
				return nil, err
			}
			b[algorithm] = append(b[algorithm], sign)
		}
	}
	return b, nil
}

// cost is the CPU time of one signature, with as many at once as there are
// cores: what a token cannot be cheaper than.
func (b bare) cost(algorithm string) (time.Duration, error) {
	const long = 300 * time.Millisecond
	var (
		signed atomic.Int64
		wg     errgroup.Group
	)
	before, err := cpuTime()
	if err != nil {
		return 0, err
	}
	end := time.Now().Add(long)
	for _, sign := range b[algorithm] {
		wg.Go(func() error {
			input := make([]byte, 700)
			for time.Now().Before(end) {
				if err := sign(input); err != nil {
					return err
				}
				signed.Add(1)
			}
			return nil
		})
	}
	if err := wg.Wait(); err != nil {
		return 0, err
	}
	after, err := cpuTime()
	return (after - before) / time.Duration(max(1, signed.Load())), err
}

func cpuTime() (time.Duration, error) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0, err
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), nil
}

func residentPeak() int64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return r.Maxrss
}
