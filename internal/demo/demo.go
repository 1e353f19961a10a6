// Package demo is Sallyport as a newcomer first meets it: one process with a
// data folder, a local CA, both environments, the demo catalogue, two
// organizations, and a live upstream of its own.
//
// [Run] makes what is not there yet and keeps what is: a second start finds the
// organizations, apps and subscriptions of the first. Secrets are not kept
// anywhere in the clear, so each start makes new ones; those of the last starts
// stay good.
//
// It is the program's own wiring with other defaults, not another program: it has no
// rules of its own, and is not made to be reached from another machine.
package demo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/loglines"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// Options says where the demo lives. Empty addresses take free ports.
type Options struct {
	Data                 string // folder; made if it is not there
	Ready                string // file to write once everything is up; empty: none
	ListenSandbox        string
	ListenProduction     string
	ListenSandboxMTLS    string
	ListenProductionMTLS string
	ListenManagement     string
	ListenPortal         string
	Stdout               io.Writer
	Now                  func() time.Time
	Version              string
	Command              string // how the program was called, for the hints
}

// Run runs the demo until ctx ends.
func Run(ctx context.Context, o Options) error {
	data, err := filepath.Abs(o.Data)
	if err != nil {
		return err
	}
	o.Data = data
	c, err := o.config()
	if err != nil {
		return err
	}
	if err := o.certifyClient(); err != nil {
		return err
	}
	upstream, err := startUpstream(ctx, o.Now)
	if err != nil {
		return err
	}
	defer upstream.stop()
	c.Catalog.Vars = map[string]string{"DEMO_UPSTREAM": upstream.url}

	log, err := os.OpenFile(c.Log.File, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	defer log.Close() // all of it is written by then
	logger, lines := loglines.JSON(log, slog.LevelInfo)
	defer lines.Close()
	s, err := server.New(ctx, server.Options{Config: c, Getenv: func(string) string { return "" }, Logger: logger, Now: o.Now, Version: o.Version})
	if err != nil {
		return err
	}
	world, err := seed(ctx, s)
	if err != nil {
		return errors.Join(fmt.Errorf("prepare the demo: %w", err), s.Close())
	}
	return s.Run(ctx, func() error { return o.announce(s, world, c.Log.File) })
}

// config is the configuration file that the demo would have.
func (o Options) config() (*config.Config, error) {
	c := &config.Config{
		Data: o.Data,
		Keys: config.Keys{
			Sealing: config.Secret{File: filepath.Join(o.Data, "keys", "sealing.key")},
			Hashing: config.Secret{File: filepath.Join(o.Data, "keys", "hashing.key")},
		},
		Environments: map[market.Environment]*config.Environment{
			market.Sandbox:    {Listener: config.Listener{Listen: o.ListenSandbox}, MutualTLS: o.mutualTLS(o.ListenSandboxMTLS)},
			market.Production: {Listener: config.Listener{Listen: o.ListenProduction}, MutualTLS: o.mutualTLS(o.ListenProductionMTLS)},
		},
		Management: config.Listener{Listen: o.ListenManagement},
		Portal:     config.Listener{Listen: o.ListenPortal},
		Headers: config.Headers{
			// The names that deployed clients and upstreams know (CONTRACT 4.5, 4.7).
			TraceAccept: []string{
				"x-chng-trace-id", "x-optum-trace-id", "x-optum-correlation-id", "x-optum-consumer-correlation-id",
				"X-CHC-TraceId", "X-CHC-CorrelationId",
			},
			Strip: []string{"x-optum-tenant-id", "x-chng-tenant-id", "x-optum-subtenant-id"},
		},
		KeySets: config.KeySets{Allow: []string{"127.0.0.0/8", "::1/128"}}, // a client to try it with is here
		Log:     config.Log{File: filepath.Join(o.Data, "sallyport.log")},
		Name:    "Sallyport demo",
	}
	if err := os.MkdirAll(filepath.Join(o.Data, "keys"), 0o700); err != nil {
		return nil, server.ExplainFolder(o.Data, err)
	}
	for _, key := range []config.Secret{c.Keys.Sealing, c.Keys.Hashing} {
		if err := makeKey(key.File); err != nil {
			return nil, server.ExplainFolder(o.Data, err)
		}
	}
	return c, c.Complete()
}

// makeKey writes 32 random bytes to a file that is not there yet, whole or not
// at all: a start that is cut off must leave none that the next cannot read.
func makeKey(file string) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // the key has its own name by then
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand
	_, err = io.WriteString(f, hex.EncodeToString(raw[:])+"\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), file); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil // another start was faster
}
