package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

// table is an answer for people: a header and rows, or without a header the
// members of one thing, a row each.
type table struct {
	header []string
	rows   [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// members makes a table of one thing from pairs of name and value.
func members(pairs ...string) table {
	var t table
	for i := 0; i+1 < len(pairs); i += 2 {
		t.add(pairs[i], pairs[i+1])
	}
	return t
}

// answer writes v as JSON, or t, as the user wants it.
func (p *Program) answer(v any, t table) error {
	if p.flags.output == "json" {
		data, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return err
		}
		_, err = p.Stdout.Write(append(data, '\n'))
		return err
	}
	w := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	if t.header != nil {
		_, _ = io.WriteString(w, strings.Join(t.header, "\t")+"\n") // Flush tells
	}
	for _, row := range t.rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		_, _ = io.WriteString(w, strings.Join(cells, "\t")+"\n")
	}
	return w.Flush()
}

// answerPage is answer for a page of a list, and says if it is not the last one.
func answerPage[T any](p *Program, page api.List[T], t table) error {
	if err := p.answer(page, t); err != nil {
		return err
	}
	if page.Next != "" && p.flags.output == "table" {
		p.note("there is more: --after %s", printable(page.Next))
	}
	return nil
}

// pageFlags are the flags that choose a page.
func pageFlags(cmd *cobra.Command, page *api.Page) {
	cmd.Flags().StringVar(&page.After, "after", "", "go on after this `CURSOR`")
	cmd.Flags().IntVar(&page.Limit, "limit", 100, "at most `N`")
}

// did says what was done when there is nothing to show for it.
func (p *Program) did(format string, args ...any) error {
	if p.flags.output == "json" {
		return nil
	}
	_, err := fmt.Fprintf(p.Stdout, format+"\n", args...)
	return err
}

// printable keeps what others wrote from steering the terminal.
func printable(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// second shows an epoch second of which 0 is none.
func second(s int64) string {
	if s == 0 {
		return ""
	}
	return when(time.Unix(s, 0))
}

func number[T ~int | ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }

func words(list []string) string { return strings.Join(list, ", ") }

// yesFlag gives a command the flag that answers its question.
func yesFlag(cmd *cobra.Command) { cmd.Flags().Bool("yes", false, "do it without asking") }

// asksFirst has a command ask before it takes something away, unless --yes is given.
func (p *Program) asksFirst(cmd *cobra.Command, question func(args []string) string) {
	yesFlag(cmd)
	do := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := p.confirm(cmd, question(args)); err != nil {
			return err
		}
		return do(cmd, args)
	}
}

// confirm asks whether to do something that cannot be taken back, unless --yes
// was given.
func (p *Program) confirm(cmd *cobra.Command, question string) error {
	if yes, err := cmd.Flags().GetBool("yes"); err != nil || yes {
		return err
	}
	return p.ask(question, &usageError{"it takes something away, and there is no terminal to ask at", []string{"if you mean it, add --yes"}})
}

// ask asks whether to go on, or returns unasked where nobody can answer.
func (p *Program) ask(question string, unasked error) error {
	if !p.Terminal {
		return unasked
	}
	_, _ = fmt.Fprintf(p.Stderr, "%s [y/N] ", question) // if this fails the answer will not be yes
	line, ended := p.line()
	if ended && line == "" {
		p.note("")
		return unasked
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return errors.New("not confirmed: nothing was changed")
}

// line reads one line of stdin and nothing after it, which may be the answer to
// another question.
func (p *Program) line() (line string, ended bool) {
	var text strings.Builder
	one := make([]byte, 1)
	for text.Len() < 1<<10 {
		if _, err := io.ReadFull(p.Stdin, one); err != nil {
			return text.String(), true
		}
		if one[0] == '\n' {
			break
		}
		text.WriteByte(one[0])
	}
	return text.String(), false
}

// forceFlag gives a command the flag that ends what is in use.
func forceFlag(cmd *cobra.Command) {
	cmd.Flags().Bool("force", false, "do it although it was used in the last 24 hours")
}

// unlessInUse does what ends a credential. If that is in use it asks again, at a
// terminal, unless --force was given.
func unlessInUse[T any](p *Program, cmd *cobra.Command, do func(force bool) (T, error)) (T, error) {
	force, err := cmd.Flags().GetBool("force")
	if err != nil {
		var none T
		return none, err
	}
	out, err := do(force)
	var refused *client.Error
	if force || !errors.As(err, &refused) || refused.Problem.Field != "force" {
		return out, err
	}
	detail := printable(refused.Problem.Detail)
	err = p.ask("It is "+detail+". End it all the same?", hint(errors.New(detail+": nothing was changed"),
		"to let its users change over first: sallyport credential rotate", "if you mean it, add --force"))
	if err != nil {
		return out, err
	}
	return do(true)
}
