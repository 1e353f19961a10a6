package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/internal/config"
	"github.com/sallyport-dev/sallyport/internal/demo"
	"github.com/sallyport-dev/sallyport/internal/loglines"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/server"
)

// ServerCommands are the commands that run Sallyport itself, or touch its store
// before it runs.
func ServerCommands() []func(*Program) *cobra.Command {
	return []func(*Program) *cobra.Command{
		(*Program).demoCommand,
		(*Program).serveCommand,
		(*Program).bootstrapCommand,
		(*Program).resetKeysCommand,
	}
}

func (p *Program) demoCommand() *cobra.Command {
	var o demo.Options
	cmd := p.verb("demo", "Run a whole marketplace to try: both environments, demo APIs, demo customers",
		`  sallyport demo --data .demo
  sallyport demo --data /tmp/demo --ready /tmp/demo.json --listen-sandbox 127.0.0.1:0`,
		func(cmd *cobra.Command, _ []string) error {
			o.Stdout, o.Now, o.Version, o.Command = p.Stdout, clock, p.Version, os.Args[0]
			return started(demo.Run(cmd.Context(), o))
		})
	flags := cmd.Flags()
	flags.StringVar(&o.Data, "data", ".demo", "`DIR` for the database, the keys, the CA and the log")
	flags.StringVar(&o.Ready, "ready", "", "`FILE` to write once everything is up: URLs and credentials as JSON, mode 0600")
	flags.StringVar(&o.ListenSandbox, "listen-sandbox", "127.0.0.1:8443", "`ADDRESS` of the sandbox; port 0 takes a free one")
	flags.StringVar(&o.ListenProduction, "listen-production", "127.0.0.1:8444", "`ADDRESS` of production")
	flags.StringVar(&o.ListenSandboxMTLS, "listen-sandbox-mtls", "127.0.0.1:8447", "`ADDRESS` of the sandbox for clients with certificates")
	flags.StringVar(&o.ListenProductionMTLS, "listen-production-mtls", "127.0.0.1:8448", "`ADDRESS` of production for clients with certificates")
	flags.StringVar(&o.ListenManagement, "listen-admin", "127.0.0.1:8445", "`ADDRESS` of the management API")
	flags.StringVar(&o.ListenPortal, "listen-portal", "127.0.0.1:8446", "`ADDRESS` of the portal")
	return cmd
}

func (p *Program) serveCommand() *cobra.Command {
	var file string
	var check bool
	cmd := p.verb("serve", "Run Sallyport by a configuration file", `  sallyport serve --config /etc/sallyport/sallyport.yaml
  sallyport serve --config /etc/sallyport/sallyport.yaml --check`,
		func(cmd *cobra.Command, _ []string) error {
			if check {
				return p.checkConfig(file)
			}
			return started(p.serve(cmd.Context(), file))
		})
	cmd.Long = `Run Sallyport by a configuration file.

With --check nothing runs: the file is read, and every key, certificate, authority
and secret that it names. All faults are told, and the exit code is 1 if there is one.
Nothing is written, listened at or connected to; the database is not opened.`
	cmd.Flags().BoolVar(&check, "check", false, "say whether the configuration is good, and run nothing")
	cmd.Flags().StringVar(&file, "config", "", "`FILE` with the configuration, see docs/config.md")
	need(cmd, "config")
	return cmd
}

func (p *Program) serve(ctx context.Context, file string) error {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	logger, closeLog, err := p.logger(c.Log)
	if err != nil {
		return err
	}
	defer closeLog()
	headroom := server.Headroom(p.Env)
	defer runtime.KeepAlive(headroom)
	s, err := server.New(ctx, server.Options{Config: c, Getenv: p.Env, Logger: logger, Now: clock, Version: p.Version})
	if err != nil {
		return err
	}
	return s.Run(ctx, func() error {
		info := s.Info()
		attrs := []any{slog.String("version", p.Version), slog.String("management", info.Management), slog.String("portal", info.Portal)}
		for _, e := range info.Environments {
			attrs = append(attrs, slog.String(e.Name, e.URL))
			if e.MutualTLS != "" {
				attrs = append(attrs, slog.String(e.Name+"_mtls", e.MutualTLS))
			}
		}
		if info.Metrics != "" {
			attrs = append(attrs, slog.String("metrics", info.Metrics))
		}
		logger.InfoContext(ctx, "serving", attrs...)
		return nil
	})
}

// logger returns the log that the configuration asks for.
func (p *Program) logger(c config.Log) (logger *slog.Logger, closeLog func(), err error) {
	level, err := c.SlogLevel()
	if err != nil {
		return nil, nil, fmt.Errorf("log.level: %w", err)
	}
	to, closeFile := p.Stderr, func() {}
	if c.File != "" {
		f, err := os.OpenFile(c.File, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, nil, fmt.Errorf("open the log: %w", err)
		}
		to, closeFile = f, func() { _ = f.Close() } // all of it is written by then
	}
	logger, lines := loglines.JSON(to, level)
	return logger, func() {
		_ = lines.Close() // there is nowhere to tell
		closeFile()
	}, nil
}

func (p *Program) bootstrapCommand() *cobra.Command {
	var file, label string
	var days int
	cmd := p.verb("bootstrap", "Make an operator token straight in the store: the first one, or after all are lost",
		`  sallyport bootstrap --config /etc/sallyport/sallyport.yaml > operator.token`,
		func(cmd *cobra.Command, _ []string) error {
			return started(p.bootstrap(cmd.Context(), file, label, days))
		})
	cmd.Flags().StringVar(&file, "config", "", "`FILE` with the configuration")
	cmd.Flags().StringVar(&label, "label", "bootstrap", "`TEXT` to know the token by")
	cmd.Flags().IntVar(&days, "days", 0, "`N` days until it expires; 0: never")
	need(cmd, "config")
	return cmd
}

func (p *Program) bootstrap(ctx context.Context, file, label string, days int) error {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	var expires time.Time
	if days > 0 {
		expires = p.Now().AddDate(0, 0, days)
	}
	text, err := server.Bootstrap(ctx, server.Options{Config: c, Getenv: p.Env, Logger: slog.New(slog.DiscardHandler), Now: clock}, label, expires)
	if err != nil {
		return err
	}
	p.note("an operator token, shown only now; put it in a file that only you can read:")
	_, err = fmt.Fprintln(p.Stdout, text.Reveal())
	return err
}

func (p *Program) resetKeysCommand() *cobra.Command {
	var file, env string
	var hashing bool
	cmd := p.verb("reset-keys", "Go on after the sealing key, or the hashing key, is lost",
		`  sallyport reset-keys --config /etc/sallyport/sallyport.yaml --environment sandbox   # the sealing key is lost
  sallyport reset-keys --config /etc/sallyport/sallyport.yaml --hashing               # the hashing key is lost`,
		func(cmd *cobra.Command, _ []string) error {
			if hashing == (env != "") {
				return usagef("say what is lost: --environment NAME for the sealing key's signing keys, or --hashing")
			}
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			o := server.Options{Config: c, Getenv: p.Env, Logger: slog.New(slog.DiscardHandler), Now: clock}
			question, done := "Every token of "+env+" dies, and verifiers have to fetch new keys. Reset?", "new signing keys for "+env
			if hashing {
				question, done = "Every client secret and operator token is dead then. Reset?", "the hashing key is accepted; make an operator token by bootstrap, and new secrets"
			}
			if err := p.confirm(cmd, question); err != nil {
				return err
			}
			reset := func() error { return server.ResetKeys(cmd.Context(), o, market.Environment(env)) }
			if hashing {
				reset = func() error { return server.ResetHashing(cmd.Context(), o) }
			}
			if err := reset(); err != nil {
				return started(err)
			}
			p.note("%s; start, or restart, the servers", done)
			return nil
		})
	yesFlag(cmd)
	cmd.Flags().StringVar(&file, "config", "", "`FILE` with the configuration")
	cmd.Flags().StringVar(&env, "environment", "", "`NAME` of the environment whose signing keys nobody can open")
	cmd.Flags().BoolVar(&hashing, "hashing", false, "accept the hashing key that the configuration names now")
	need(cmd, "config")
	return cmd
}

// started gives an error of the program itself its hint.
func started(err error) error {
	var known *market.Error
	if errors.As(err, &known) && known.Hint != "" {
		return hint(errors.New(known.Public), known.Hint)
	}
	return err
}
