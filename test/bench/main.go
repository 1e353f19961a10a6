// Command bench measures Sallyport as a process of its own, over loopback, with a
// load that is another process: this one. It prints tables and writes them as JSON
// (make bench). Tokens are set beside the bare signature, calls beside other
// proxies, as many as are installed.
//
// CPU is that of the whole server process for each request, kernel included,
// under as much load as it takes; beside it stands the CPU of a bare signature,
// measured by the same process just before and after. Compare within a run, by
// the ratios: machines drift. Latencies under a rate count from when a request
// was due. docs/performance.md says how to read the tables.
//
// It judges nothing: targets are printed, and no test fails by them.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

func main() {
	program := flag.String("server", "bin/server.test", "test binary of internal/server, which is the server")
	file := flag.String("json", "bin/bench.json", "file to write the figures to")
	long := flag.Duration("long", 2*time.Second, "how long each load lasts")
	rounds := flag.Int("rounds", 3, "how often each is repeated; the median is told")
	many := flag.Int("apps", 1_000_000, "how many apps the large server has")
	routes := flag.Int("routes", 10_000, "how many operations the large catalogue has")
	idle := flag.Int("idle", 10_000, "how many connections are kept idle")
	parts := flag.String("parts", "", "which parts to measure, with commas between them; all, unless it is given: "+strings.Join(names((&bench{}).all()), ", "))
	profile := flag.String("profile", "", "folder for a CPU profile of each load")
	role := flag.String("role", "", "what else this program can be: upstream, proxy")
	at := flag.String("at", "", "where it is that")
	upstream := flag.String("upstream", "", "and before what")
	flag.Parse()
	if *role != "" {
		fmt.Fprintln(os.Stderr, play(*role, *at, *upstream))
		os.Exit(1)
	}
	b := &bench{program: *program, long: *long, rounds: *rounds, many: *many, manyRoutes: *routes, manyIdle: *idle, profile: *profile, out: os.Stdout}
	if err := b.run(*parts, *file); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	program              string
	long                 time.Duration
	rounds               int
	many                 int // apps
	manyRoutes, manyIdle int
	profile              string
	out                  io.Writer
	report               report
	folder               string
	served               time.Duration // CPU time of all servers
}

// report is what a run finds out.
type report struct {
	When      time.Time `json:"when"`
	Go        string    `json:"go"`
	Cores     int       `json:"cores"`
	OtherBusy float64   `json:"other_busy_percent"` // of the machine, by neither server nor load
	Costs     []cost    `json:"costs,omitempty"`
	Growth    []growth  `json:"growth,omitempty"`
	Latencies []latency `json:"latencies,omitempty"`
	Memory    []memory  `json:"memory,omitempty"`
	Timing    []timing  `json:"timing,omitempty"`
	Calls     []*call   `json:"calls,omitempty"`
	Changes   []change  `json:"changes,omitempty"`
	Against   []against `json:"against,omitempty"`
	Fresh     []*call   `json:"fresh,omitempty"`
	Routes    []*call   `json:"routes,omitempty"`
	Crowd     []*call   `json:"crowd,omitempty"`
	Idle      []idle    `json:"idle,omitempty"`
	Half      []*half   `json:"half,omitempty"`
	Targets   []judged  `json:"targets,omitempty"`  // all of them, for scripts
	LeftOut   []leftOut `json:"left_out,omitempty"` // peers
}

func (b *bench) run(list, file string) (err error) {
	parts, err := b.chosen(list)
	if err != nil {
		return err
	}
	if b.folder, err = os.MkdirTemp("", "sallyport-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.folder)) }()
	b.report = report{When: time.Now().UTC(), Go: runtime.Version(), Cores: runtime.NumCPU()}
	if err := b.measure(parts); err != nil {
		return err
	}
	text, err := json.MarshalIndent(b.report, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	b.say("\n%.0f %% of the machine was busy with other things on average; above 5, run it again.\nwritten to %s\n", b.report.OtherBusy, file)
	return os.WriteFile(file, append(text, '\n'), 0o600)
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.out, format, args...) }

// with runs a server for as long as do does.
func (b *bench) with(o order, do func(s *server) error) (err error) {
	if o.Folder, err = os.MkdirTemp(b.folder, "server-"); err != nil {
		return err
	}
	s, err := launch(b.program, o)
	if err != nil {
		return err
	}
	err = do(s)
	b.served += processTime(s.cmd.Process.Pid)
	return errors.Join(err, s.stop())
}
