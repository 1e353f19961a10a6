package main

import "fmt"

// asHAProxy is how much more than HAProxy a call may take whose token has to be verified.
const asHAProxy = 1.1

// fresh measures calls whose tokens the gateway has not seen yet: as many tokens are
// got before as are sent, none is sent twice, so that each is verified and remembered.
// HAProxy, which verifies every time, gets the same ones in the same rounds; and a row
// of ours with tokens that it remembers says what that spares.
func (b *bench) fresh(what string) error {
	return b.beside(func(p *processes, upstream string) error {
		return b.with(order{Apps: callApps, Secrets: 2, Upstream: "http://" + upstream}, func(s *server) error {
			known, err := fetchTokens(s, callApps, callApps/2)
			if err != nil {
				return err
			}
			each := b.freshInRound()
			tokens, err := fetchTokens(s, callApps, each*b.rounds)
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
			rows = append(rows, ours("sallyport, tokens never seen", s, calling(known, onePath)), ours("sallyport, tokens remembered", s, calling(known, onePath)))
			for _, row := range rows {
				row.measures = row.Server == haproxyChecked
				row.send = func(round int) (measured, error) {
					sent := tokens[round*each : (round+1)*each]
					if row == rows[len(rows)-1] {
						sent = again
					}
					l := *row.load
					l.requests = calling(sent, onePath)
					return l.exactly(nil)
				}
			}
			rows[len(rows)-2].Target = asHAProxy
			if err := b.turns(rows); err != nil {
				return err
			}
			b.report.Fresh = rows
			b.tellTurns(fmt.Sprintf("%s, %d in a round", what, each), rows)
			return nil
		})
	})
}

// freshInRound is how many tokens a round takes: each costs a signature before, so
// there are fewer than a load would send.
func (b *bench) freshInRound() int { return max(inFlight, int(5000*b.long.Seconds())) }
