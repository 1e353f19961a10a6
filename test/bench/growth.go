package main

import "fmt"

// growth is what a kind of request costs with a crowd, over what it costs with few:
// each as a multiple of the bare ES256 signature of its own rounds, so that the
// machine's drift between the two servers is not taken for theirs.
type growth struct {
	Kind    string  `json:"kind"`
	Few     float64 `json:"times_es256_few"`
	Many    float64 `json:"times_es256_many"`
	Apps    int     `json:"apps"`
	Secrets int     `json:"secrets"` // of each app
	Ratio   float64 `json:"growth"`
	Target  float64 `json:"target"`
	Reached bool    `json:"reached"`
}

// grows is by how much a figure may differ that is to be the same: the parts are
// half a minute apart, and what is the same differs by this much on a shared machine.
const grows = 1.2

// growths compares what was measured with few apps to what was with crowds.
func growths(costs []cost) []growth {
	var out []growth
	for _, few := range costs {
		if few.apps != fewApps || few.secrets != fewSecrets || few.tls || few.Times <= 0 {
			continue
		}
		for _, many := range costs {
			if many.Kind != few.Kind || many.tls || many.apps == few.apps && many.secrets == few.secrets {
				continue
			}
			g := growth{Kind: few.Kind, Few: few.Times, Many: many.Times, Apps: many.apps, Secrets: many.secrets, Ratio: many.Times / few.Times, Target: grows}
			g.Reached = g.Ratio <= g.Target
			out = append(out, g)
		}
	}
	return out
}

func (g growth) crowd() string { return fmt.Sprintf("%d apps of %d secrets", g.Apps, g.Secrets) }

// tellGrowth prints them, if both sides were measured.
func (b *bench) tellGrowth() {
	b.report.Growth = growths(b.report.Costs)
	if len(b.report.Growth) == 0 {
		return
	}
	b.say("\nfrom %d apps of %d secrets, each figure x ES256\n%-24s %10s %10s %8s %8s   %s\n", fewApps, fewSecrets, "a request for", "few", "many", "growth", "target", "many is")
	for _, g := range b.report.Growth {
		b.say("%-24s %10.2f %10.2f %8.2f %8.4g   %s %s\n", g.Kind, g.Few, g.Many, g.Ratio, g.Target, g.crowd(), mark(g.Reached))
	}
}
