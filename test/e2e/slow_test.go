package e2e_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// The attack: announce a body, send none of it, and keep the connection. The
// server reads what was announced before it answers, so without a deadline each
// such connection is held for ever, without a token.
func TestABodyThatNeverComesDoesNotHoldAConnection(t *testing.T) {
	t.Parallel()
	s := start(t)
	var all sync.WaitGroup
	for name, target := range map[string]string{
		"a token endpoint": s.Environments["sandbox"].URL + "/oauth2/token",
		"no such route":    s.Environments["sandbox"].URL + "/nothing",
		"a call, no token": s.Environments["sandbox"].URL + "/medicalnetwork/eligibility/v3/",
		"management":       s.Operator.URL + "/v1/organizations",
		"the portal":       s.Portal + "/",
	} {
		all.Go(func() {
			u, err := url.Parse(target)
			if err != nil {
				t.Error(err)
				return
			}
			conn, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: s.roots(), NextProtos: []string{"http/1.1"}})
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			began := time.Now()
			if err := conn.SetDeadline(began.Add(50 * time.Second)); err != nil {
				t.Error(err)
				return
			}
			if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\n", u.Path, u.Host); err != nil {
				t.Error(err)
				return
			}
			line, err := bufio.NewReader(conn).ReadString('\n')
			if took := time.Since(began); took > 45*time.Second {
				t.Errorf("%s: held for %v (%q, %v)", name, took, strings.TrimSpace(line), err)
			}
		})
	}
	all.Wait()
}
