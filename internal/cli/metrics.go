package cli

import (
	"io"

	"github.com/spf13/cobra"
)

func (p *Program) metricsCommand() *cobra.Command {
	return p.verb("metrics", "Show what the node that answers tells Prometheus", `  sallyport metrics
  sallyport --ready demo.json metrics`,
		func(cmd *cobra.Command, _ []string) error {
			m, err := p.management()
			if err != nil {
				return err
			}
			text, err := m.Metrics(cmd.Context())
			if err != nil {
				return err
			}
			_, err = io.WriteString(p.Stdout, text)
			return err
		})
}
