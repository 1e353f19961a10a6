package cli

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/client"
)

// readyFile is what "sallyport demo --ready FILE" writes, as far as it is needed
// here.
type readyFile struct {
	Operator struct {
		URL   string        `json:"url"`
		Token client.Secret `json:"token"`
	} `json:"operator"`
	CA string `json:"ca"` // PEM, or the path of a file with it
}

// connection is where the management API is and what to show it.
type connection struct {
	url   string
	token client.Secret
	ca    []byte // PEM; nil: the system's
}

const (
	maxToken       = 4 << 10
	requestTimeout = time.Minute
)

// management returns the client of the management API that flags and
// environment name. Flags come before the environment.
func (p *Program) management() (*client.Management, error) {
	c, err := p.connection()
	if err != nil {
		return nil, err
	}
	config, err := c.tls()
	if err != nil {
		return nil, err
	}
	return &client.Management{BaseURL: c.url, Token: c.token, HTTP: https(config)}, nil
}

// tls returns settings that trust whom the connection names.
func (c *connection) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ca != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(c.ca) {
			return nil, &usageError{"the file of --ca holds no certificate", []string{"it is PEM, and begins with -----BEGIN CERTIFICATE-----"}}
		}
	}
	return config, nil
}

// https returns a client that speaks by those settings.
func https(config *tls.Config) *http.Client {
	return &http.Client{
		Timeout:   requestTimeout,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, ForceAttemptHTTP2: true},
	}
}

func (p *Program) connection() (c connection, err error) {
	// A file named by a flag comes before variables, one named by a variable after.
	if p.flags.ready != "" {
		if c, err = readReady(p.flags.ready); err != nil {
			return c, err
		}
	}
	c.url = cmp.Or(p.flags.url, c.url, p.Env("SALLYPORT_URL"))
	if err := p.readCA(&c); err != nil {
		return c, err
	}
	if err := p.readToken(&c); err != nil {
		return c, err
	}
	if name := p.Env("SALLYPORT_READY"); name != "" && (c.url == "" || c.token.Reveal() == "") {
		rest, err := readReady(name)
		if err != nil {
			return c, err
		}
		if c.url == "" {
			c.url = rest.url
		}
		if c.token.Reveal() == "" {
			c.token = rest.token
		}
		if c.ca == nil {
			c.ca = rest.ca
		}
	}
	switch {
	case c.url == "":
		return c, &usageError{"which Sallyport? there is no URL", []string{
			"give --url https://host:port, set SALLYPORT_URL, or give the file of a demo: --ready FILE",
			"to try things out: sallyport demo --ready demo.json",
		}}
	case !strings.HasPrefix(c.url, "https://") && !strings.HasPrefix(c.url, "http://"):
		return c, &usageError{"the URL of the management API has to begin with https://", []string{"check --url or SALLYPORT_URL"}}
	case c.token.Reveal() == "":
		return c, &usageError{"there is no operator token", []string{
			"give --token-file FILE (- is stdin), or set SALLYPORT_TOKEN",
		}}
	}
	return c, nil
}

func (p *Program) readCA(c *connection) error {
	name := p.flags.ca
	if name == "" && c.ca == nil {
		name = p.Env("SALLYPORT_CA")
	}
	if name == "" {
		return nil
	}
	data, err := os.ReadFile(name) //nolint:gosec // the file that the user names
	if err != nil {
		return &usageError{fmt.Sprintf("read the certificates to trust: %s", reason(err)), []string{"check --ca or SALLYPORT_CA"}}
	}
	c.ca = data
	return nil
}

func (p *Program) readToken(c *connection) error {
	var data []byte
	var err error
	switch p.flags.tokenFile {
	case "":
		if c.token.Reveal() == "" {
			c.token = client.NewSecret(strings.TrimSpace(p.Env("SALLYPORT_TOKEN")))
		}
		return nil
	case "-":
		p.Terminal = false // its lines were the token
		data, err = io.ReadAll(io.LimitReader(p.Stdin, maxToken))
	default:
		data, err = os.ReadFile(p.flags.tokenFile)
	}
	if err != nil {
		return &usageError{fmt.Sprintf("read the operator token: %s", reason(err)), []string{"check --token-file"}}
	}
	text := strings.TrimSpace(string(data))
	if text == "" || len(text) > maxToken || strings.ContainsAny(text, " \n\r\t") {
		return &usageError{"the file of --token-file does not hold one token", []string{"it holds one line, which begins with spop_"}}
	}
	c.token = client.NewSecret(text)
	return nil
}

func readReady(name string) (c connection, err error) {
	data, err := os.ReadFile(name) //nolint:gosec // the file that the user names
	if err != nil {
		return c, &usageError{fmt.Sprintf("read what the demo wrote: %s", reason(err)), []string{"is it running? sallyport demo --ready " + name}}
	}
	var ready readyFile
	if err := json.Unmarshal(data, &ready); err != nil {
		return c, &usageError{name + " is not what a demo writes", []string{"sallyport demo --ready FILE writes it once it is ready"}}
	}
	c.url, c.token = ready.Operator.URL, ready.Operator.Token
	switch {
	case ready.CA == "":
	case strings.HasPrefix(ready.CA, "-----BEGIN"):
		c.ca = []byte(ready.CA)
	default:
		path := ready.CA
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(name), path)
		}
		if c.ca, err = os.ReadFile(path); err != nil { //nolint:gosec // the file that the demo names
			return c, &usageError{fmt.Sprintf("read the demo's certificate: %s", reason(err)), []string{"is the demo still running?"}}
		}
	}
	return c, nil
}

// reason returns an error's text without the name of the system call.
func reason(err error) string {
	for _, call := range []string{"open ", "read ", "stat "} {
		if text, ok := strings.CutPrefix(err.Error(), call); ok {
			return text
		}
	}
	return err.Error()
}
