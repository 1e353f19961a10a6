package main

// judged is a figure that has a target, of whichever part: what a script reads.
type judged struct {
	Part    string  `json:"part"`
	What    string  `json:"what"`
	Figure  string  `json:"figure"`
	Value   float64 `json:"value"`
	Target  float64 `json:"target"` // at most
	Reached bool    `json:"reached"`
}

// targets lists every figure that has one.
func (r *report) targets() []judged {
	var out []judged
	add := func(part, what, figure string, value, target float64, reached bool) {
		if target != 0 && value != 0 { // 0: there was nothing to compare with
			out = append(out, judged{part, what, figure, value, target, reached})
		}
	}
	for _, c := range r.Costs {
		if c.Floor != "" {
			add("costs", c.Server+": "+c.Kind, "ratio", c.Ratio, c.Target, c.Reached)
		} else {
			add("costs", c.Server+": "+c.Kind, "cpu_us", c.Micros, c.Target, c.Reached)
		}
	}
	for _, g := range r.Growth {
		add("growth", g.crowd()+": "+g.Kind, "growth", g.Ratio, g.Target, g.Reached)
	}
	for _, l := range r.Latencies {
		add("latencies", l.What, "p99_over_p50", l.Ratio, l.Target, l.Reached)
	}
	for _, a := range r.Against {
		add("calls", a.Server+" / "+a.Other, "ratio", a.Ratio, a.Target, a.Reached)
	}
	for _, rows := range []struct {
		part string
		rows []*call
	}{{"fresh", r.Fresh}, {"routes", r.Routes}, {"crowd", r.Crowd}} {
		for _, c := range rows.rows {
			add(rows.part, c.Server, "ratio", c.Ratio, c.Target, c.Reached)
		}
	}
	for _, c := range r.Changes {
		add("changes", c.What, "ratio", c.Ratio, c.Target, c.Reached)
	}
	for _, i := range r.Idle {
		add("idle", i.Server, "rss_mb", i.Resident, i.Target, i.Reached)
	}
	for _, h := range r.Half {
		add("half", h.Server, "p99_ratio", h.Ratio, h.Target, h.Reached)
	}
	return out
}

// tellTargets lists those that are missed.
func (b *bench) tellTargets() {
	b.report.Targets = b.report.targets()
	if len(b.report.Targets) == 0 {
		return
	}
	var missed []judged
	for _, j := range b.report.Targets {
		if !j.Reached {
			missed = append(missed, j)
		}
	}
	b.say("\n%d of %d targets are reached\n", len(b.report.Targets)-len(missed), len(b.report.Targets))
	for _, j := range missed {
		b.say("MISSED %-10s %-60s %-13s %10.4g, target %.4g\n", j.Part, j.What, j.Figure, j.Value, j.Target)
	}
}
