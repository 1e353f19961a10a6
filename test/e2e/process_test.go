package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/internal/demo"
)

// demoFolder is the variable that makes the test binary run the demo in the
// folder that it names, for tests that need a process to kill.
const demoFolder = "SALLYPORT_TEST_DEMO"

// commandLine is the variable that makes the test binary be the command line, for
// scripts that call it.
const commandLine = "SALLYPORT_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(commandLine) != "" {
		os.Exit(cli.Run(context.Background(), os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
	}
	if data := os.Getenv(demoFolder); data != "" {
		os.Exit(runDemo(data))
	}
	os.Exit(m.Run())
}

// runDemo runs the demo until standard input ends: with the test, however that
// ends. A line of it takes something from the process; see limitMyself.
func runDemo(data string) int {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			fmt.Fprintln(os.Stdout, lines.Text(), limitMyself(lines.Text()))
		}
		cancel()
	}()
	if err := demo.Run(ctx, demoOptions(demo.Options{Data: data, Stdout: os.Stdout})); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// process is a demo in a process of its own.
type process struct {
	*site
	output string // file of what it prints, standard error included
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	done   chan error
}

// launch starts a process and does not wait for it to be ready.
func launch(t *testing.T, data string) *process {
	t.Helper()
	removeFile(t, filepath.Join(data, "ready.json"))
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	output, err := os.CreateTemp(t.TempDir(), "output")
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	p := &process{site: &site{t: t}, output: output.Name(), cmd: exec.Command(program), done: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), demoFolder+"="+data)
	p.cmd.Stdout, p.cmd.Stderr = output, output
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		p.done <- p.cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // has ended long ago when all went well
		<-ended
	})
	return p
}

// spawn starts a process and waits until it is ready.
func spawn(t *testing.T, data string) *process {
	t.Helper()
	p := launch(t, data)
	if ended, err := awaitReady(t, filepath.Join(data, "ready.json"), &p.ready, p.done); ended {
		t.Fatalf("the process ended: %v\n%s", err, p.printed())
	}
	p.client = httpClient(t, p.CA)
	return p
}

// kill is kill -9.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	<-p.done
}

// stop asks the process to end, and expects it to do so in order.
func (p *process) stop() {
	p.t.Helper()
	p.client.CloseIdleConnections() // HTTP/2 says goodbye for a second
	_ = p.stdin.Close()
	if err := <-p.done; err != nil {
		p.t.Errorf("the process did not stop cleanly: %v\n%s", err, p.printed())
	}
}

func (p *process) printed() string {
	p.t.Helper()
	text, err := os.ReadFile(p.output)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// require skips a test for lack of a program or file, but in CI fails it.
func require(t *testing.T, ok bool, what string) {
	t.Helper()
	switch {
	case ok:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is missing; scripts/test-setup installs it", what)
	default:
		t.Skipf("%s is missing; scripts/test-setup installs it", what)
	}
}

// have reports whether a program is installed.
func have(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}
