package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/client"
)

// usageError is a mistake in the command line, or around it.
type usageError struct {
	text  string
	hints []string // instead of the one to --help
}

// Error implements error.
func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) *usageError {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

// hinted is an error with what to do about it.
type hinted struct {
	err   error
	hints []string
}

// Error implements error.
func (e *hinted) Error() string { return e.err.Error() }

// Unwrap returns the error.
func (e *hinted) Unwrap() error { return e.err }

func hint(err error, hints ...string) error { return &hinted{err, hints} }

// report writes what went wrong and what to do about it, and returns the exit
// code.
func (p *Program) report(cmd *cobra.Command, err error) int {
	code, reason, hints := explain(cmd, err)
	name := "sallyport"
	if _, verb, ok := strings.Cut(cmd.CommandPath(), " "); ok {
		name += ": " + verb
	}
	p.note("%s: %s", name, reason)
	for _, h := range hints {
		p.note("hint: %s", h)
	}
	return code
}

// explain says what an error means to whoever typed cmd.
func explain(cmd *cobra.Command, err error) (code int, reason string, hints []string) {
	help := "run '" + cmd.CommandPath() + " --help'"
	var usage *usageError
	var with *hinted
	var refused *client.Error
	switch {
	case errors.As(err, &usage):
		if usage.hints == nil {
			usage.hints = []string{help}
		}
		return ExitUsage, usage.text, usage.hints
	case errors.As(err, &with):
		return ExitFailed, with.Error(), with.hints
	case errors.As(err, &refused):
		reason, hints = explainRefusal(cmd, refused)
		return ExitFailed, reason, hints
	case errors.Is(err, context.Canceled):
		return ExitFailed, "interrupted", nil
	}
	if text, ok := cobraUsage(cmd, err.Error()); ok {
		return ExitUsage, text, []string{help}
	}
	reason, hints = explainNetwork(err)
	return ExitFailed, reason, hints
}

// flagError is a flag that cannot be read, or a kid that was taken for one: one in 64
// begins with -.
func flagError(cmd *cobra.Command, err error) error {
	usage := &usageError{text: err.Error()}
	if _, argument, ok := strings.Cut(usage.text, "unknown shorthand flag: "); ok {
		_, argument, _ = strings.Cut(argument, " in ")
		usage.hints = []string{"an argument that begins with - goes after --: " + cmd.CommandPath() + " -- " + argument}
	}
	return usage
}

// cobraUsage recognizes the mistakes that cobra itself finds, and has no type for.
func cobraUsage(cmd *cobra.Command, text string) (string, bool) {
	if names, ok := strings.CutPrefix(text, "required flag(s) "); ok {
		names = strings.NewReplacer(`"`, "", ", ", ", --").Replace(strings.TrimSuffix(names, " not set"))
		return "needed: --" + names, true
	}
	if names, ok := strings.CutPrefix(text, "at least one of the flags in the group ["); ok {
		names, _, _ = strings.Cut(names, "]")
		names = "--" + strings.ReplaceAll(names, " ", ", --")
		if cmd.Name() == "update" {
			return "nothing to change: give at least one of " + names, true
		}
		return "needed: one of " + names, true
	}
	if names, ok := strings.CutPrefix(text, "if any flags in the group ["); ok {
		names, rest, _ := strings.Cut(names, "]")
		names = "--" + strings.ReplaceAll(names, " ", " and --")
		if strings.Contains(rest, "must all be set") {
			return "give " + names + " together", true
		}
		_, given, _ := strings.Cut(rest, "; [")
		given, _, _ = strings.Cut(given, "]")
		return "give one of --" + strings.ReplaceAll(given, " ", " and --") + ", not both", true
	}
	first, _, _ := strings.Cut(text, "\n")
	return first, strings.HasPrefix(text, "unknown command ") || strings.HasPrefix(text, "accepts ")
}

// explainRefusal says what the management API's refusal means.
func explainRefusal(cmd *cobra.Command, e *client.Error) (reason string, hints []string) {
	p := e.Problem
	reason = p.Detail
	if flag := cmd.Flags().Lookup(strings.ReplaceAll(p.Field, "_", "-")); flag != nil && p.Field != "" {
		reason = "--" + flag.Name + ": " + reason
	} else if p.Field != "" {
		reason = p.Field + ": " + reason
	}
	for _, fault := range p.Errors {
		reason += "\n  " + fault
	}
	list := listCommand(cmd, p.Detail)
	// The API's hints speak of requests; where there is a command, it says that.
	if p.Hint != "" && (list == "" || !strings.HasPrefix(p.Hint, "GET ")) {
		hints = append(hints, p.Hint)
	}
	switch {
	case p.Code == "":
		hints = []string{"is the URL that of a Sallyport's management API, with https:// and its port?"}
	case p.Status == http.StatusUnauthorized:
		hints = []string{
			"the token came from --token-file, SALLYPORT_TOKEN or --ready: is it of this Sallyport, live and whole?",
			"another operator can make one: sallyport operator create LABEL",
		}
	case p.Status == http.StatusNotFound:
		if list != "" {
			hints = append(hints, "what there is: "+list)
		}
	case p.Status >= http.StatusInternalServerError && p.TraceID != "":
		hints = append(hints, "the server's log has it under trace_id "+p.TraceID)
	}
	return reason, hints
}

// listCommand returns the command that lists what is missing.
func listCommand(cmd *cobra.Command, detail string) string {
	root := cmd.Root().Name()
	switch {
	case strings.Contains(detail, "organization"):
		return root + " org list"
	case cmd.Name() == "explain":
		return root + " refusal list"
	}
	for c := cmd; c.HasParent() && c.Parent().HasParent(); c = c.Parent() {
		for _, sibling := range c.Parent().Commands() {
			if sibling.Name() == "list" {
				return sibling.CommandPath()
			}
		}
	}
	return ""
}

// explainNetwork says what it means not to get an answer at all.
func explainNetwork(err error) (reason string, hints []string) {
	var request *url.Error
	if !errors.As(err, &request) {
		return err.Error(), nil
	}
	server := request.URL
	if u, parseErr := url.Parse(request.URL); parseErr == nil {
		server = u.Scheme + "://" + u.Host
	}
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var record tls.RecordHeaderError
	var name *net.DNSError
	switch {
	case errors.As(err, &authority):
		return server + " has a certificate of an unknown authority",
			[]string{"name the file with that authority's certificate: --ca FILE, or SALLYPORT_CA"}
	case errors.As(err, &hostname):
		return server + " has a certificate for another name", []string{"use a name that is in the certificate: " + hostname.Error()}
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing answers at " + server,
			[]string{"is it running there? check --url or SALLYPORT_URL", "to try things out: sallyport demo --ready FILE"}
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return server + " does not speak TLS", []string{"is it the management API's port?"}
	case errors.As(err, &name):
		return "there is no host " + name.Name, []string{"check --url or SALLYPORT_URL"}
	case request.Timeout():
		return server + " did not answer in time", []string{"is it reachable from here? sallyport status shows how it is"}
	}
	return request.Err.Error(), nil
}
