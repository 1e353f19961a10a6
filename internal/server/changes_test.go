package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing/fstest"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/localca"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// The catalogue that is changed while test/bench measures: some dozens of APIs, some
// hundreds of operations, of which most stay as they are from version to version.
const (
	changingAPIs       = 40
	changingOperations = 5 // paths, each with two
)

// changing is a whole server, with a store of its own, that an operator changes.
type changing struct {
	*Server
	bare
	manager  *client.Management
	upstream string
	ca       *localca.Authority
	files    config.TLS // of production
	version  int
}

// measureChanging serves until its input ends, and changes what a line "change" says.
func measureChanging(ctx context.Context, o order, logger *slog.Logger, in io.Reader, out io.Writer) error {
	ca, err := localca.Open(o.Folder, time.Now)
	if err != nil {
		return err
	}
	c := &changing{ca: ca, upstream: o.Upstream, files: config.TLS{Certificate: filepath.Join(o.Folder, "tls.pem"), Key: filepath.Join(o.Folder, "tls.key")}}
	if c.bare, err = newBare(); err != nil {
		return err
	}
	where, err := c.open(ctx, o.Folder, logger)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	up, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- c.Run(ctx, func() error { close(up); return nil }) }()
	select {
	case err := <-done:
		cancel()
		return err
	case <-up:
	}
	answers := json.NewEncoder(out)
	err = answers.Encode(where)
	for lines := bufio.NewScanner(in); err == nil && lines.Scan(); {
		if what, isChange := strings.CutPrefix(lines.Text(), "change "); isChange {
			err = c.change(ctx, what)
		}
		st, failed := c.answer(lines.Text(), o.Folder)
		if err = errors.Join(err, failed); err == nil {
			err = answers.Encode(st)
		}
	}
	cancel()
	return errors.Join(err, <-done)
}

// open makes the server, with an app, an operator and the catalogue.
func (c *changing) open(ctx context.Context, folder string, logger *slog.Logger) (where map[string]string, err error) {
	if err := c.renewFiles(); err != nil {
		return nil, err
	}
	key := filepath.Join(folder, "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("0123456789abcdef", 4)), 0o600); err != nil {
		return nil, err
	}
	conf := &config.Config{
		Data: folder, Keys: config.Keys{Sealing: config.Secret{File: key}, Hashing: config.Secret{File: key}},
		Management: config.Listener{Listen: "127.0.0.1:0"}, Portal: config.Listener{Listen: "127.0.0.1:0"},
		Environments: map[market.Environment]*config.Environment{
			market.Sandbox:    {Listener: config.Listener{Listen: "127.0.0.1:0"}},
			market.Production: {Listener: config.Listener{Listen: "127.0.0.1:0", TLS: c.files}},
		},
	}
	if err := conf.Complete(); err != nil {
		return nil, err
	}
	if c.Server, err = New(ctx, Options{Config: conf, Getenv: os.Getenv, Logger: logger, Now: time.Now}); err != nil {
		return nil, err
	}
	files := fstest.MapFS{}
	for name, text := range c.catalogue() {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	if err := c.ApplyCatalog(ctx, market.System, files); err != nil {
		return nil, err
	}
	where = map[string]string{"ca": c.ca.File, "production": c.production().listener.url}
	if err := c.seed(ctx, where); err != nil {
		return nil, err
	}
	return where, c.Reload(ctx)
}

// seed makes an app that may call, and an operator.
func (c *changing) seed(ctx context.Context, where map[string]string) error {
	org, err := c.Market.AddOrganization(ctx, market.System, "Bench")
	if err != nil {
		return err
	}
	sub, err := c.Market.Subscribe(ctx, market.System, org.ID, benchProduct)
	if err != nil {
		return err
	}
	if _, err := c.Market.ChangeSubscription(ctx, market.System, sub.ID, market.ActApprove, "C-1", ""); err != nil {
		return err
	}
	app, err := c.Market.AddApp(ctx, market.System, market.NewApp{Org: org.ID, Environment: market.Production, Name: "app", DeveloperEmail: "a@example.com"})
	if err != nil {
		return err
	}
	_, text, err := c.Market.AddCredential(ctx, market.System, market.NewCredential{App: app.ID})
	if err != nil {
		return err
	}
	where["client"], where["secret"] = app.ClientID, text.Reveal()
	_, operator, err := c.Market.AddOperatorToken(ctx, market.System, "bench", time.Now().Add(24*time.Hour))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	authority, err := os.ReadFile(c.ca.File)
	if err != nil {
		return err
	}
	roots.AppendCertsFromPEM(authority)
	c.manager = &client.Management{
		BaseURL: c.management.url, Token: client.NewSecret(operator.Reveal()),
		HTTP: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}, Timeout: time.Minute},
	}
	return nil
}

// change changes something, as an operator does, and returns when the node goes by it.
func (c *changing) change(ctx context.Context, what string) error {
	const everything = "everything"
	c.version++
	if what == "catalogue" || what == everything {
		if _, err := c.manager.ApplyCatalog(ctx, api.CatalogPut{Files: c.catalogue()}); err != nil {
			return err
		}
	}
	if what == "keys" || what == everything {
		key, err := c.manager.RotateKey(ctx, api.KeyRotation{Environment: string(market.Production)})
		if err != nil {
			return err
		}
		if _, err := c.manager.RevokeKey(ctx, key.KID); err != nil { // or the next one would have to wait until it signs
			return err
		}
	}
	if what == "certificates" || what == everything {
		if err := c.renewFiles(); err != nil {
			return err
		}
		c.renewCertificates(ctx)
	}
	return nil
}

// renewFiles writes a new certificate for production.
func (c *changing) renewFiles() error {
	cert, err := c.ca.Issue([]string{"127.0.0.1"})
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return err
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	return errors.Join(
		os.WriteFile(c.files.Certificate, chain, 0o600),
		os.WriteFile(c.files.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600),
	)
}

// catalogue is the files of this version: one API differs from the version before.
func (c *changing) catalogue() map[string]string {
	files := map[string]string{"products.yaml": "- name: " + benchProduct + "\n  title: Bench\n"}
	for i := range changingAPIs {
		version := 0
		if i == 1+c.version%(changingAPIs-1) {
			version = c.version
		}
		name := fmt.Sprintf("bench%d", i)
		files[name+"/manifest.yaml"] = "title: Bench\nsummary: Bench\nbase_path: /" + name + "/v1\nproducts: [" + benchProduct + "]\n" +
			"openapi: openapi.yaml\nupstreams:\n  production: {url: " + c.upstream + "}\n"
		files[name+"/openapi.yaml"] = changingDocument(version)
	}
	return files
}

// changingDocument describes an API as large as real ones are.
func changingDocument(version int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "openapi: 3.1.0\ninfo: {title: Bench, version: v1, description: version %d}\npaths:\n", version)
	for i := range changingOperations {
		fmt.Fprintf(&b, `  /thing%[1]d:
    get:
      operationId: get%[1]d
      summary: Reads a thing of kind %[1]d
      parameters:
      - {name: page, in: query, schema: {type: integer, minimum: 1, maximum: 1000}}
      - {name: since, in: query, schema: {type: string, format: date}}
      responses:
        '200': {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/Thing%[1]d'}, example: {name: a, items: []}}}}
    post:
      operationId: put%[1]d
      summary: Makes a thing of kind %[1]d
      requestBody: {required: true, content: {application/json: {schema: {$ref: '#/components/schemas/Thing%[1]d'}}}}
      responses:
        '200': {description: ok, content: {application/json: {example: {name: a, items: []}}}}
`, i)
	}
	b.WriteString("components:\n  schemas:\n")
	for i := range changingOperations {
		fmt.Fprintf(&b, `    Thing%d:
      type: object
      required: [name, items]
      properties:
        name: {type: string, minLength: 1, maxLength: 100, pattern: '^[a-z]+$'}
        kind: {type: string, enum: [small, middle, large]}
        date: {type: string, format: date}
        amount: {type: number, minimum: 0}
        person:
          type: object
          properties:
            first: {type: string, maxLength: 60}
            last: {type: string, maxLength: 60}
            born: {type: string, pattern: '^[0-9]{8}$'}
        items:
          type: array
          maxItems: 100
          items:
            type: object
            required: [code]
            properties:
              code: {type: string, pattern: '^[A-Z][0-9]{2,4}$'}
              count: {type: integer, minimum: 1, maximum: 99}
              note: {type: [string, 'null'], maxLength: 80}
`, i)
	}
	return b.String()
}
