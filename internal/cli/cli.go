// Package cli is the command line: sallyport NOUN VERB, a file per noun.
//
// The flow of a run: [Run] makes a [Program], the program makes a tree of cobra
// commands, one of them runs, and its error, if any, becomes lines on stderr and
// an exit code (errors.go). The management commands are clients of the
// management API (connect.go says of which, and with which token): they can do
// nothing that a script with curl could not.
//
// Invariants: what a command answers goes to stdout, everything else to stderr;
// -o json is exactly the type of package api that the server sent, or, of a check that
// asks no server, a type of this package; a secret is
// never an argument, and is printed once, by the command that made it; a command
// that takes something away asks first, or wants --yes.
//
// To write a command: one operation of the management API is made by [operation],
// more than one by [Program.manage], and what needs none by [Program.verb]; with
// [Program.asksFirst] it asks before it takes something away.
//
// What it does not do: hold rules of its own. They are the market's.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

// The exit codes.
const (
	ExitOK     = 0
	ExitFailed = 1 // it was tried, and did not work
	ExitUsage  = 2 // it was not tried: the command line or its surroundings are wrong
)

// Program is one run of the command line. All fields but Version are needed.
type Program struct {
	Env      func(string) string // the environment's variables
	Stdin    io.Reader
	Stdout   io.Writer
	Stderr   io.Writer
	Terminal bool // questions may be asked on Stderr and answered on Stdin
	Now      func() time.Time
	Version  string
	// Commands make the subcommands, in the order of the help.
	Commands []func(*Program) *cobra.Command

	flags globalFlags
}

// globalFlags is what every command takes.
type globalFlags struct {
	url, ca, tokenFile, ready string
	output                    string
}

// linkedVersion is set by the linker; empty: what the build recorded.
var linkedVersion string

// Run runs the command line args, without the program's name, and returns the
// exit code.
func Run(ctx context.Context, args []string, env func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &Program{
		Env: env, Stdin: stdin, Stdout: stdout, Stderr: stderr,
		Terminal: isTerminal(stdin), Now: clock, Version: buildVersion(),
		Commands: slices.Concat(ServerCommands(), ManagementCommands()),
	}
	return p.Run(ctx, args)
}

// ManagementCommands are the commands that are clients of the management API.
func ManagementCommands() []func(*Program) *cobra.Command {
	return []func(*Program) *cobra.Command{
		(*Program).statusCommand,
		(*Program).orgCommand,
		(*Program).appCommand,
		(*Program).credentialCommand,
		(*Program).secretCommand,
		(*Program).importCommand,
		(*Program).productCommand,
		(*Program).subscriptionCommand,
		(*Program).tinCommand,
		(*Program).submitterCommand,
		(*Program).catalogCommand,
		(*Program).keyCommand,
		(*Program).nodeCommand,
		(*Program).notBeforeCommand,
		(*Program).tokenCommand,
		(*Program).operatorCommand,
		(*Program).auditCommand,
		(*Program).usageCommand,
		(*Program).metricsCommand,
		(*Program).refusalCommand,
		(*Program).explainCommand,
		(*Program).versionCommand,
	}
}

// Run runs the command line args and returns the exit code.
func (p *Program) Run(ctx context.Context, args []string) int {
	root := p.Root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	return p.report(cmd, err)
}

// Root returns the tree of commands.
func (p *Program) Root() *cobra.Command {
	root := p.noun("sallyport", "An API marketplace in one program: token service, gateway, portal",
		`  sallyport --ready demo.json status
  sallyport --url https://localhost:9443 --ca ca.pem --token-file token org list`)
	root.Long = `Sallyport is an API marketplace in one program: token service, gateway, portal.

The management commands speak to a running Sallyport. Which one, and as whom:

  --url, or SALLYPORT_URL       the management API, https://host:port
  --ca, or SALLYPORT_CA         a file with the certificates to trust, in PEM; else the system's
  --token-file, or SALLYPORT_TOKEN
                                an operator token: a file, "-" for stdin; or the token itself
                                in the variable. A token is never an argument: those can be
                                seen by everybody on the machine
  --ready, or SALLYPORT_READY   all three from the file that "sallyport demo --ready FILE" writes`
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Version = p.Version
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	// A command that only holds others does nothing by itself, whatever its flags.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(flagError)
	flags := root.PersistentFlags()
	flags.StringVar(&p.flags.url, "url", "", "`URL` of the management API")
	flags.StringVar(&p.flags.ca, "ca", "", "`FILE` with the certificates to trust, in PEM")
	flags.StringVar(&p.flags.tokenFile, "token-file", "", "`FILE` with the operator token; - is stdin")
	flags.StringVar(&p.flags.ready, "ready", "", "`FILE` that a demo wrote: its URL, certificates and token")
	flags.StringVarP(&p.flags.output, "output", "o", "table", "`FORM` of the answer: table or json")
	complete(root, "output", "table", "json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if p.flags.output != "table" && p.flags.output != "json" {
			return usagef("--output is %q: it must be table or json", p.flags.output)
		}
		return nil
	}
	for _, command := range p.Commands {
		root.AddCommand(command(p))
	}
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	arrange(root)
	return root
}

// arrange groups the commands in the help of root by who needs them.
func arrange(root *cobra.Command) {
	for _, group := range []struct{ title, commands string }{
		{"Run it:", "demo serve bootstrap reset-keys status node key metrics"},
		{"Customers and what they have:", "org app credential subscription tin submitter import"},
		{"APIs:", "catalog product"},
		{"What happens:", "explain refusal usage audit"},
		{"Tokens and operators:", "token not-before operator"},
		{"As a client, without an operator token:", "secret"},
		{"This program:", "completion help version"},
	} {
		root.AddGroup(&cobra.Group{ID: group.title, Title: group.title})
		for _, name := range strings.Fields(group.commands) {
			for _, c := range root.Commands() {
				if c.Name() == name {
					c.GroupID = group.title
				}
			}
		}
	}
}

// noun returns a command that only holds others.
func (p *Program) noun(use, short, example string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: cobra.ArbitraryArgs, SuggestionsMinimumDistance: 2,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && !cmd.HasParent() {
				return cmd.Help()
			}
			if len(args) == 0 {
				return usagef("say what to do: %s", strings.Join(verbsOf(cmd), ", "))
			}
			if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
				return usagef("there is no command %q: did you mean %s?", args[0], strings.Join(like, " or "))
			}
			return usagef("there is no command %q; there are: %s", args[0], strings.Join(verbsOf(cmd), ", "))
		},
	}
	cmd.AddCommand(verbs...)
	return cmd
}

func verbsOf(cmd *cobra.Command) []string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// verb returns a command that does something. use begins with its name; the
// words in capitals that follow are the arguments it takes, all of them.
func (p *Program) verb(use, short, example string, run func(cmd *cobra.Command, args []string) error) *cobra.Command {
	wanted := strings.Fields(use)[1:]
	return &cobra.Command{
		Use: use, Short: short, Example: example, RunE: run,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > len(wanted) && len(wanted) == 0:
				return usagef("it takes no arguments, and got %q", args[0])
			case len(args) > len(wanted):
				return usagef("too many arguments: it takes %s", strings.Join(wanted, " "))
			case len(args) < len(wanted):
				return usagef("%s is missing", strings.Join(wanted[len(args):], " "))
			}
			return nil
		},
	}
}

// manage returns a verb that does something by the management API.
func (p *Program) manage(use, short, example string, do func(cmd *cobra.Command, m *client.Management, args []string) error) *cobra.Command {
	return p.verb(use, short, example, func(cmd *cobra.Command, args []string) error {
		m, err := p.management()
		if err != nil {
			return err
		}
		return do(cmd, m, args)
	})
}

// operation returns a verb that is one operation of the management API; its answer is
// shown to people as the table that shown makes of it.
func operation[T any](p *Program, use, short, example string, shown func(T) table,
	do func(cmd *cobra.Command, m *client.Management, args []string) (T, error),
) *cobra.Command {
	return p.manage(use, short, example, func(cmd *cobra.Command, m *client.Management, args []string) error {
		answer, err := do(cmd, m, args)
		if err != nil {
			return err
		}
		return p.answer(answer, shown(answer))
	})
}

// one and items make of a table of several things that of one, and that of a list.
func one[T any](of func(...T) table) func(T) table { return func(thing T) table { return of(thing) } }

func items[T any](of func(...T) table) func(api.List[T]) table {
	return func(list api.List[T]) table { return of(list.Items...) }
}

// complete lets a shell complete a flag from fixed words.
func complete(cmd *cobra.Command, flag string, words ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag is not there: a bug
	}
}

// need marks a flag that must be given.
func need(cmd *cobra.Command, flag string) {
	if err := cmd.MarkFlagRequired(flag); err != nil {
		panic(err) // the flag is not there: a bug
	}
	cmd.Flags().Lookup(flag).Usage += " (required)"
}

// clock is the time of a program. It is not turned into UTC here: that would take the
// monotonic reading away, by which all durations are measured.
func clock() time.Time { return time.Now() } //nolint:forbidigo // the program's own

func buildVersion() string {
	if linkedVersion != "" {
		return linkedVersion
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

// isTerminal reports whether there may be somebody to answer a question. The null
// device, which cron and systemd give, is a character device as terminals are.
func isTerminal(stdin io.Reader) bool {
	f, ok := stdin.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// note says something beside the answer.
func (p *Program) note(format string, args ...any) {
	_, _ = fmt.Fprintf(p.Stderr, format+"\n", args...) // nowhere else to say it
}
