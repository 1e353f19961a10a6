package e2e_test

import (
	"encoding/xml"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// h2specWaivers are cases of h2spec that net/http does not pass, and why that is
// right, or harmless.
var h2specWaivers = map[string]string{
	"http2/6.5.3 Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE":                                            "net/http closes the connection of who sends a setting twice in one frame: no client does, and the standard lets a server end a connection whenever it likes (RFC 9113 §5.4.1)",
	"http2/8.1.2.2 Sends a HEADERS frame that contains the connection-specific header field":                       "answered with 400: a server may answer what is malformed before it resets the stream (RFC 9113 §8.1.1)",
	"http2/8.1.2.2 Sends a HEADERS frame that contains the TE header field with any value other than \"trailers\"": "answered with 400, as above",
}

// h2spec is the suite of cases that HTTP/2 servers are held to. It is built from
// tools/h2spec.
func TestH2specPasses(t *testing.T) {
	dir := t.TempDir()
	tool, report := filepath.Join(dir, "h2spec"), filepath.Join(dir, "report.xml")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-C", "../../tools/h2spec", "-o", tool, "github.com/summerwind/h2spec/cmd/h2spec").CombinedOutput(); err != nil {
		t.Fatalf("building h2spec: %v\n%s", err, out)
	}
	s := start(t)
	address, port, err := net.SplitHostPort(host(t, s.Environments["production"].URL))
	if err != nil {
		t.Fatal(err)
	}
	tries := func(more ...string) (run int, failed map[string]string) {
		// It fails for what is waived: the report says for what.
		args := append([]string{"-t", "-k", "-h", address, "-p", port, "-o", "2", "-j", report}, more...)
		out, _ := exec.CommandContext(t.Context(), tool, args...).CombinedOutput()
		text, err := os.ReadFile(report)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return readReport(t, text)
	}
	run, failed := tries()
	if run < 140 {
		t.Errorf("only %d cases were run", run)
	}
	for name := range h2specWaivers {
		if failed[name] == "" {
			t.Errorf("%s passes: its waiver is not needed", name)
		}
	}
	for name, why := range failed {
		// Some cases send after what we may have answered by then: who is faster is
		// no fault. What fails always is one.
		section, _, _ := strings.Cut(name, " ")
		for again := 0; again < 4 && why != "" && h2specWaivers[name] == ""; again++ {
			_, failed := tries(section)
			why = failed[name]
		}
		if why != "" && h2specWaivers[name] == "" {
			t.Errorf("%s: %s", name, why)
		}
	}
}

// readReport returns how many cases were run, and what was wrong with those that
// failed.
func readReport(t *testing.T, text []byte) (run int, failed map[string]string) {
	t.Helper()
	var report struct {
		Suites []struct {
			Cases []struct {
				Package string `xml:"package,attr"`
				Name    string `xml:"classname,attr"`
				Failure string `xml:"failure"`
				Error   string `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	failed = map[string]string{}
	for _, suite := range report.Suites {
		for _, c := range suite.Cases {
			run++
			if c.Failure+c.Error != "" {
				failed[c.Package+" "+c.Name] = c.Failure + c.Error
			}
		}
	}
	return run, failed
}
