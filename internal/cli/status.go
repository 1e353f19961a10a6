package cli

import (
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

func (p *Program) statusCommand() *cobra.Command {
	return p.manage("status", "Show how the node that answers is", `  sallyport status
  sallyport --ready demo.json status -o json`,
		func(cmd *cobra.Command, m *client.Management, _ []string) error {
			s, err := m.Status(cmd.Context())
			if err != nil {
				return err
			}
			t := members("status", s.Status, "version", s.Version, "started", when(s.Started), "uptime", s.Uptime.Duration().String(),
				"store", s.Store.Engine+" "+s.Store.State,
				"catalogue", catalogue(s.Catalog),
				"snapshot", "change "+number(s.Snapshot.Sequence)+", "+(time.Duration(s.Snapshot.AgeMS)*time.Millisecond).String()+" old")
			for _, e := range s.Environments {
				t.add(e.Name, words(e.URLs))
				t.add(e.Name+" issuer", e.Issuer)
				for _, k := range e.PendingKeys {
					t.add(e.Name+" next "+k.Use+" key", k.KID+", "+activates(k))
				}
			}
			for _, e := range s.Environments {
				for _, u := range e.Upstreams {
					t.add(e.Name+" upstream "+u.API, number(u.Healthy)+" of "+number(u.Total)+" do well")
				}
			}
			for _, i := range s.Issuers {
				text := i.State + ", " + number(i.Keys) + " keys, " + i.Issuer
				if i.Problem != "" {
					text += ": " + i.Problem
				}
				t.add("issuer "+i.Name, text)
			}
			for _, n := range s.Nodes {
				t.add("node "+n.Name, n.State+", version "+n.Version+", seen "+when(n.Seen))
			}
			for _, k := range s.SealingKeys {
				t.add("sealing key "+k.ID, k.State+", "+number(k.Keys)+" signing keys, "+number(k.InUse)+" in use")
			}
			return p.answer(s, t)
		})
}

// catalogue says which catalogue a node goes by.
func catalogue(c api.CatalogStatus) string {
	switch {
	case c.Version == 0:
		return "none is applied yet: sallyport catalog apply DIR"
	case c.Routed < c.Version:
		return "version " + number(c.Version) + ", which this node cannot route by, or not yet: its log says why; it routes by " + number(c.Routed)
	}
	return "version " + number(c.Version)
}

// version is what this program is.
type version struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	System  string `json:"system"`
}

func (p *Program) versionCommand() *cobra.Command {
	return p.verb("version", "Show what this program is", `  sallyport version`,
		func(*cobra.Command, []string) error {
			v := version{Version: p.Version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
			return p.answer(v, members("sallyport", v.Version, "go", v.Go, "system", v.System))
		})
}
