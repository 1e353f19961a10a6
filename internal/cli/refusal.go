package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) refusalCommand() *cobra.Command {
	return p.noun("refusal", "Calls and token requests that were refused", `  sallyport refusal list --org "Acme Health"
  sallyport refusal show 4bf92f3577b34da6a3ce929d0e0e4736`, p.refusalList(), p.refusalShow())
}

func (p *Program) refusalShow() *cobra.Command {
	return p.manage("show TRACE", "Say why one was refused, as sallyport explain TRACE does",
		`  sallyport refusal show 4bf92f3577b34da6a3ce929d0e0e4736`, p.why)
}

func (p *Program) refusalList() *cobra.Command {
	var f api.RefusalFilter
	var only spanFlags
	cmd := p.manage("list", "List what was refused, newest first",
		`  sallyport refusal list --org "Acme Health" --from 24h
  sallyport refusal list --org "Acme Health" --app claims
  sallyport refusal list --surface token --code invalid_client --environment production
  sallyport refusal list --trace 4bf92f3577b34da6a3ce929d0e0e4736`,
		func(cmd *cobra.Command, m *client.Management, _ []string) (err error) {
			if f.From, f.To, f.Org, f.App, err = only.read(cmd.Context(), p, m); err != nil {
				return err
			}
			f.Trace = traceID(f.Trace)
			page, err := m.Refusals(cmd.Context(), f)
			if err != nil {
				return err
			}
			t := table{header: []string{"AT", "TRACE", "ENVIRONMENT", "ORG", "APP", "SURFACE", "STATUS", "CODE", "REASON"}}
			for _, r := range page.Items {
				t.add(when(r.At), r.TraceID, r.Environment, r.Org, r.App, r.Surface, number(r.Status), r.Code, r.Reason)
			}
			return answerPage(p, page, t)
		})
	only.add(cmd)
	environmentFlag(cmd, &f.Environment, "only of this `ENVIRONMENT`")
	flags := cmd.Flags()
	flags.StringVar(&f.Credential, "credential", "", "only of the credential with this `ID`")
	flags.StringVar(&f.Surface, "surface", "", "only this `SURFACE`: token, call or report (passed by validate: report)")
	flags.StringVar(&f.Code, "code", "", "only what was answered with this error `CODE`, such as invalid_client")
	flags.StringVar(&f.Trace, "trace", "", "only what has this `TRACE` id")
	pageFlags(cmd, &f.Page)
	complete(cmd, "surface", "token", "call", "report")
	return cmd
}

// traceID is the trace id in text, which may be a URN, as an answer's instance is one.
func traceID(text string) string { return strings.TrimPrefix(text, "urn:trace:") }

// why says why something was refused.
func (p *Program) why(cmd *cobra.Command, m *client.Management, args []string) error {
	r, err := m.Refusal(cmd.Context(), traceID(args[0]))
	if err != nil {
		return err
	}
	t := members("why", r.Reason, "what next", r.Next)
	tell := func(name, text string) {
		if text != "" {
			t.add(name, text)
		}
	}
	tell("about", r.Parameter)
	tell("clock", skew(r.SkewSeconds))
	tell("secret", joined(quoted(r.Label), r.Hint, r.Credential))
	tell("app", joined(quoted(p.nameOfApp(cmd.Context(), m, r.App)), r.App))
	tell("organization", joined(quoted(p.nameOfOrg(cmd.Context(), m, r.Org)), r.Org))
	if r.Org == "" {
		t.add("organization", "not known: what was sent names nobody")
	}
	t.add("request", joined(map[string]string{"token": "token request", "call": "call", "report": "call"}[r.Surface], r.Method, r.Path))
	t.add("answer", answered(r))
	t.add("when and where", when(r.At)+" at "+r.Environment)
	t.add("trace", r.TraceID)
	return p.answer(r, t)
}

// answered says what the caller got, who was refused or only reported.
func answered(r api.Refusal) string {
	answer := number(r.Status) + " " + r.Code
	if r.Surface == "report" {
		return "passed on: its API only reports; with validate: enforce it would have been " + answer
	}
	return answer
}

// skew says how far a time was off.
func skew(seconds int64) string {
	switch span := time.Duration(seconds) * time.Second; {
	case seconds > 0:
		return span.String() + " past the end of what was sent, by the server's clock"
	case seconds < 0:
		return (-span).String() + " ahead of the beginning of what was sent, by the server's clock"
	}
	return ""
}

func quoted(text string) string {
	if text == "" {
		return ""
	}
	return strconv.Quote(text)
}

// joined joins those of texts that there are.
func joined(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(text string) bool { return text == "" }), " ")
}

// nameOfApp returns the app's name, "" if it cannot be had: it may be gone.
func (p *Program) nameOfApp(ctx context.Context, m *client.Management, app string) string {
	if app == "" || p.flags.output == "json" {
		return ""
	}
	a, err := m.App(ctx, app)
	if err != nil {
		return ""
	}
	return a.Name
}

// nameOfOrg returns the organization's name, "" if it cannot be had.
func (p *Program) nameOfOrg(ctx context.Context, m *client.Management, org string) string {
	if org == "" || p.flags.output == "json" {
		return ""
	}
	o, err := m.Organization(ctx, org)
	if err != nil {
		return ""
	}
	return o.Name
}
