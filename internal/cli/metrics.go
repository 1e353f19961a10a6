package cli

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) metricsCommand() *cobra.Command {
	return p.manage("metrics", "Show what the node that answers tells Prometheus", `  sallyport metrics
  sallyport --ready demo.json metrics`,
		func(cmd *cobra.Command, m *client.Management, _ []string) error {
			text, err := m.Metrics(cmd.Context())
			if err != nil {
				return err
			}
			_, err = io.WriteString(p.Stdout, text)
			return err
		})
}
