package cli

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) explainCommand() *cobra.Command {
	var c api.Call
	var token, body, app, org string
	cmd := p.manage("explain TRACE", "Say why a call was refused, or what would become of one",
		`  sallyport explain 4bf92f3577b34da6a3ce929d0e0e4736
  sallyport explain GET https://sandbox.example.com/claims/v3/healthcheck --token token.txt
  sallyport explain GET https://sandbox.example.com/claims/v3/healthcheck --app claims --org "Acme Health"
  sallyport explain POST /claims/v3 --environment production --token - --header providerTaxId:123456789 --data claim.json`,
		func(cmd *cobra.Command, m *client.Management, args []string) (err error) {
			switch {
			case len(args) == 1 && (app != "" || org != ""):
				return usagef("a trace id says whose the call was; --app is for a method and a URL")
			case len(args) == 1:
				return p.why(cmd, m, args)
			case org != "" && app == "":
				return usagef("--org tells apps of one name apart: give --app too")
			case app != "":
				if c.App, err = findApp(cmd.Context(), m, org, app); err != nil {
					return err
				}
			}
			c.Method, c.URL = args[0], args[1]
			if c.Token, err = p.tokenFrom(token); err != nil {
				return err
			}
			if body != "" {
				data, err := os.ReadFile(body) //nolint:gosec // the file that the user names
				if err != nil {
					return &usageError{"read the body: " + reason(err), []string{"check --data"}}
				}
				c.Body = string(data)
			}
			e, err := m.Explain(cmd.Context(), c)
			if err != nil {
				return err
			}
			if e.Status == http.StatusUnauthorized && e.Next == "" && c.Token == nil && app == "" {
				e.Next = "ask again as an app, --app APP, or with an access token of it, in a file: --token FILE"
			}
			return p.answer(e, explanation(e))
		})
	cmd.Use = "explain TRACE | METHOD URL"
	cmd.Long = `With the trace id of an answer: why that call or token request was refused.

With a method and a URL: which route, product, limit and source a call would get,
or why it would be refused. The call passes the stages of the gateway, and is not
sent, counted or remembered. Who calls, --token says, or --app: then it is a call with a
fresh token of all that the app may have, and no token is needed, or made.`
	cmd.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 1 && strings.Contains(args[0], "/"):
			return usagef("%s is no trace id; to ask about a call, put its method before the URL: sallyport explain GET %s", args[0], args[0])
		case len(args) != 1 && len(args) != 2:
			return usagef("it takes a trace id, or a method and a URL")
		}
		return nil
	}
	environmentFlag(cmd, &c.Environment, "the `ENVIRONMENT`, where the URL does not tell it by its host")
	flags := cmd.Flags()
	flags.StringVar(&token, "token", "", "`FILE` with the access token; - is the standard input")
	flags.StringVar(&app, "app", "", "ask as this `APP`, by id or name, instead of by a token")
	orgFlag(cmd, &org, "the `ORG` that the app is of, by id or name")
	cmd.MarkFlagsMutuallyExclusive("app", "token")
	flags.StringArrayVarP(&c.Headers, "header", "H", nil, "a `HEADER` of the call, as 'Name: value'; may repeat")
	flags.StringVar(&body, "data", "", "`FILE` with the body of the call")
	return cmd
}

// tokenFrom reads an access token, which is never an argument: others see those.
func (p *Program) tokenFrom(file string) (*api.Secret, error) {
	if file == "" {
		return nil, nil // the call has none
	}
	var data []byte
	var err error
	if file == "-" {
		p.Terminal = false // its lines were the token
		data, err = io.ReadAll(io.LimitReader(p.Stdin, maxToken))
	} else {
		data, err = os.ReadFile(file) //nolint:gosec // the file that the user names
	}
	if err != nil {
		return nil, &usageError{"read the access token: " + reason(err), []string{"check --token"}}
	}
	token := api.NewSecret(strings.TrimSpace(string(data)))
	return &token, nil
}

// explanation shows an explanation, a line a stage.
func explanation(e api.Explanation) table {
	t := table{header: []string{"STAGE", "SAYS"}}
	for _, step := range e.Steps {
		t.add(step.Stage, step.Says)
	}
	if e.Allowed {
		t.add("verdict", "would be answered: "+e.Source)
		return t
	}
	t.add("verdict", fmt.Sprintf("would be refused: %d %s", e.Status, e.Code))
	t.add("told", e.Detail)
	if e.Next != "" {
		t.add("what next", e.Next)
	}
	return t
}
