//go:build unix

package e2e_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

// limitMyself takes from this process what the word says, or gives it back: "files"
// lets it open no more files, "space" lets no file grow.
func limitMyself(word string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var most syscall.Rlimit
	set := func(what int, now uint64) error {
		if err := syscall.Getrlimit(what, &most); err != nil {
			return err
		}
		most.Cur = min(now, most.Max)
		return syscall.Setrlimit(what, &most)
	}
	switch word {
	case "no files":
		return set(syscall.RLIMIT_NOFILE, 3)
	case "files":
		return set(syscall.RLIMIT_NOFILE, 10000)
	case "no space":
		return set(syscall.RLIMIT_FSIZE, 16<<10) // for what the process prints
	case "space":
		return set(syscall.RLIMIT_FSIZE, ^uint64(0))
	}
	return errors.New("no such limit")
}

// tell has the process limit itself, and waits until it has.
func (p *process) tell(word string) {
	p.t.Helper()
	before := strings.Count(p.printed(), word+" <nil>\n")
	fmt.Fprintln(p.stdin, word)
	eventually(p.t, word, func() bool { return strings.Count(p.printed(), word+" <nil>\n") > before })
}

func TestWithoutFileDescriptorsConnectionsWaitAndAreTakenUp(t *testing.T) {
	t.Parallel()
	p := spawn(t, t.TempDir())
	e := p.Environments["sandbox"]
	c := e.api(t, "eligibility")
	token := p.token(e)
	if a := p.call(c, token, nil); a.status != http.StatusOK { // the upstream's connection is kept, too
		t.Fatalf("%d %s", a.status, a.body)
	}
	p.tell("no files")
	if a := p.call(c, token, nil); a.status != http.StatusOK {
		t.Errorf("a call on an open connection gets %d %s", a.status, a.body)
	}
	conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", host(t, e.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	log := func() string {
		text, err := os.ReadFile(p.Log)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	eventually(t, "the log says so", func() bool { return strings.Contains(log(), "too many open files") })
	p.tell("files")
	secure := tls.Client(conn, &tls.Config{RootCAs: p.roots(), ServerName: "127.0.0.1"})
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if err := secure.HandshakeContext(t.Context()); err != nil {
		t.Errorf("the connection that waited is not taken up: %v", err)
	}
	if n := strings.Count(log(), "connections cannot be accepted"); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	p.stop()
}

func TestWithoutSpaceOnTheDiskNothingAcknowledgedIsLostAndCallsGoOn(t *testing.T) {
	t.Parallel()
	p := spawn(t, t.TempDir())
	e := p.Environments["sandbox"]
	var kept []api.Organization
	add := func(name string) error {
		made, err := p.operator().CreateOrganization(t.Context(), api.NewOrganization{Name: name})
		if err == nil {
			kept = append(kept, made)
		}
		return err
	}
	if err := add("before"); err != nil {
		t.Fatal(err)
	}
	p.tell("no space")
	var err error
	for i := 0; i < 200 && err == nil; i++ { // there may be some left in the files that are there
		err = add(fmt.Sprint("meanwhile ", i))
	}
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Problem.Status != http.StatusServiceUnavailable || refused.Problem.Code != api.CodeUnavailable {
		t.Errorf("a change gets %v", err)
	}
	if a := p.call(e.api(t, "eligibility"), p.token(e), nil); a.status != http.StatusOK {
		t.Errorf("a call gets %d %s", a.status, a.body)
	}
	p.tell("space")
	if err := add("after"); err != nil {
		t.Fatalf("with space again: %v", err)
	}
	for _, made := range kept {
		if got, err := p.operator().Organization(t.Context(), made.ID); err != nil || got.Name != made.Name {
			t.Errorf("%+v, %v", got, err)
		}
	}
	p.stop()
}
