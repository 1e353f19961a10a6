package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"time"
)

// server is the process that is measured: the test binary of internal/server,
// which knows by its environment what it is to be.
type server struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
	where map[string]string // URLs by environment
	tls   *tls.Config
	// folder is what it writes to.
	folder string
}

// order says what server is wanted, and state what it tells of itself; the other
// ends are in internal/server/process_test.go.
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
	Routes   int  // operations, in APIs of at most routesInAPI; 0: onePath alone
}

type state struct {
	CPU     time.Duration
	Mallocs uint64
	Alloc   uint64
	Heap    uint64
	Stacks  uint64
	RSS     int64
	Bare    time.Duration
}

// launch starts a server, and waits until it serves.
func launch(program string, o order) (*server, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	// The load goes first: what it has to wait for a core is not the server's
	// latency.
	s := &server{folder: o.Folder, cmd: exec.Command("nice", "-n", "5", program)} //nolint:gosec,noctx // the program that whoever runs this names; it ends with its input
	s.cmd.Env = append(os.Environ(), "SALLYPORT_BENCH="+string(text))
	s.cmd.Stderr = os.Stderr
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.lines = bufio.NewScanner(stdout)
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := s.read(&s.where); err != nil {
		return nil, errors.Join(fmt.Errorf("the server did not start: %w", err), s.stop())
	}
	if o.TLS {
		pem, err := os.ReadFile(s.where["ca"])
		if err != nil {
			return nil, errors.Join(err, s.stop())
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		s.tls = &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS13}
	}
	return s, nil
}

func (s *server) read(into any) error {
	if !s.lines.Scan() {
		return errors.Join(io.ErrUnexpectedEOF, s.lines.Err())
	}
	return json.Unmarshal(s.lines.Bytes(), into)
}

// ask has the server do something, and tell how it is.
func (s *server) ask(what string) (state, error) {
	var st state
	if _, err := fmt.Fprintln(s.stdin, what); err != nil {
		return st, err
	}
	return st, s.read(&st)
}

// stop ends the server.
func (s *server) stop() error {
	return errors.Join(s.stdin.Close(), s.cmd.Wait())
}

// address is host and port of an environment.
func (s *server) address(environment string) string {
	u, err := url.Parse(s.where[environment])
	if err != nil {
		return ""
	}
	return u.Host
}
