package main

import "fmt"

// same is by how much a figure may differ that is to be the same, of servers that
// take turns.
const same = 1.1

// fewRoutes is the smaller catalogue.
const fewRoutes = 10

// routesInAPI is how many operations an API has, of many; internal/server's routesCatalog
// knows it too.
const routesInAPI = 100

// routePath is the path of an operation there.
func routePath(route int) string {
	return fmt.Sprintf("/bench%d/v1/route%d/thing", route/routesInAPI, route)
}

// routeApps are enough that every operation has callers of its own where there are many,
// and few have as many pairs of app and operation: each pair is a count.
const routeApps = 2000

// routes measures calls of all operations in turn, of few and of many.
func (b *bench) routes(what string) error {
	return b.beside(func(_ *processes, upstream string) error {
		few := order{Apps: routeApps, Secrets: 2, Upstream: "http://" + upstream, Routes: fewRoutes}
		many := few
		many.Routes = b.manyRoutes
		return b.with(few, func(small *server) error {
			return b.with(many, func(large *server) error {
				rows := []*call{nil, nil}
				for i, s := range []*server{small, large} {
					tokens, err := fetchTokens(s, routeApps, routeApps/2)
					if err != nil {
						return err
					}
					n := []int{fewRoutes, b.manyRoutes}[i]
					rows[i] = ours(fmt.Sprintf("sallyport, %d routes", n), s, callingAll(tokens, n, b.manyRoutes))
				}
				if err := b.grown(what, rows); err != nil {
					return err
				}
				b.report.Routes = rows
				return nil
			})
		})
	})
}

// callingAll is n calls, of each of the routes in turn. The tokens take turns too, so
// that no call is like another as long as there are as many pairs of both.
func callingAll(tokens []string, routes, n int) [][]byte {
	var out [][]byte
	for i := range n {
		token := (i + i/routes) % len(tokens)
		out = append(out, calling(tokens[token:token+1], routePath(i%routes))...)
	}
	return out
}

// crowdTokens are as many for few apps as for many, so that what differs is the apps.
const crowdTokens = 2000

// crowd measures calls of few apps, and of many.
func (b *bench) crowd(what string) error {
	return b.beside(func(_ *processes, upstream string) error {
		few := order{Apps: fewApps, Secrets: fewSecrets, Upstream: "http://" + upstream}
		many := few
		many.Apps = b.many
		return b.with(few, func(small *server) error {
			return b.with(many, func(large *server) error {
				rows := []*call{nil, nil}
				for i, s := range []*server{small, large} {
					n := []int{fewApps, b.many}[i]
					tokens, err := fetchTokens(s, n, crowdTokens)
					if err != nil {
						return err
					}
					rows[i] = ours(fmt.Sprintf("sallyport, %d apps", n), s, calling(tokens, onePath))
				}
				if err := b.grown(what, rows); err != nil {
					return err
				}
				b.report.Crowd = rows
				return nil
			})
		})
	})
}

// grown compares the second row with the first, when both have seen every call once.
func (b *bench) grown(what string, rows []*call) error {
	rows[0].measures, rows[1].Target = true, same
	for _, row := range rows {
		if _, err := row.load.exactly(nil); err != nil {
			return fmt.Errorf("%s: %w", row.Server, err)
		}
	}
	if err := b.turns(rows); err != nil {
		return err
	}
	b.tellTurns(what, rows)
	return nil
}
