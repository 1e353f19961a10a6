package main

import "fmt"

// asHAProxy is how much more than HAProxy a call may take whose token has to be verified.
const asHAProxy = 1.1

// fresh measures calls whose tokens the gateway has not seen yet: as many tokens are
// got before as are sent, and none is sent twice. HAProxy, which verifies every time,
// gets the same ones in the same rounds. One row of ours has tokens of its own token
// service, which it need not verify; one those of another node, which it has to; one
// tokens that it remembers.
func (b *bench) fresh(what string) error {
	return b.beside(func(p *processes, upstream string) error {
		o := order{Apps: callApps, Secrets: 2, Upstream: "http://" + upstream}
		apart := o
		apart.Apart = true
		return b.with(o, func(s *server) error {
			return b.with(apart, func(other *server) error { return b.freshAt(what, p, upstream, s, other) })
		})
	})
}

func (b *bench) freshAt(what string, p *processes, upstream string, s, other *server) error {
	known, err := fetchTokens(s, callApps, callApps/2)
	if err != nil {
		return err
	}
	each := b.freshInRound()
	tokens, err := fetchTokens(s, callApps, each*b.rounds)
	if err != nil {
		return err
	}
	others, err := fetchTokens(other, callApps, (each+1)*b.rounds) // one to begin with
	if err != nil {
		return err
	}
	rows, err := b.open(p, upstream, s, known, haproxyChecked)
	if err != nil {
		return err
	}
	again := make([]string, each)
	for i := range again {
		again[i] = known[i%len(known)]
	}
	add := func(name string, s *server, tokens []string, target float64, part func(round int) []string) {
		row := ours(name, s, calling(tokens, onePath))
		row.Target = target
		row.send = sends(row.load, part)
		rows = append(rows, row)
	}
	part := func(of []string) func(int) []string {
		return func(round int) []string { return of[round*each : (round+1)*each] }
	}
	for _, row := range rows {
		row.measures = true
		row.send = sends(row.load, part(tokens))
	}
	add("sallyport, tokens never seen", s, known, asHAProxy, part(tokens))
	add("sallyport, those of another node", other, others[each*b.rounds:], asHAProxy, part(others))
	add("sallyport, tokens remembered", s, known, 0, func(int) []string { return again })
	if err := b.turns(rows); err != nil {
		return err
	}
	b.report.Fresh = rows
	b.tellTurns(fmt.Sprintf("%s, %d in a round", what, each), rows)
	return nil
}

// sends returns what sends a part of tokens in each round, each once.
func sends(l *load, part func(round int) []string) func(round int) (measured, error) {
	return func(round int) (measured, error) {
		l := *l
		l.requests = calling(part(round), onePath)
		return l.exactly(nil)
	}
}

// freshInRound is how many tokens a round takes: each costs a signature before, so
// there are fewer than a load would send.
func (b *bench) freshInRound() int { return max(inFlight, int(5000*b.long.Seconds())) }
