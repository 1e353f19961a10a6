package portal

import (
	"net/http"
	"time"
)

// migrateView is the model of the page for clients of v1 (CONTRACT 2.6).
type migrateView struct {
	Moves   []move
	Check   string // command that asks v2 for a token
	Seconds int64  // that it lives
}

// move is what changes in one environment.
type move struct {
	Environment string
	From, To    []TokenURL
}

// migrate serves /migrate/v1, to which the Link header of v1 answers leads.
func (p *Portal) migrate(w http.ResponseWriter, _ *http.Request) error {
	var view migrateView
	for _, env := range p.Environments {
		m := move{Environment: env.Name, From: env.tokenURLs("v1"), To: env.tokenURLs("v2")}
		if len(m.To) == 0 {
			continue // nowhere to move to
		}
		view.Moves = append(view.Moves, m)
		if view.Check == "" {
			view.Check, view.Seconds = p.tokenCommand(m.To[0].URL), int64(m.To[0].Lifetime/time.Second)
		}
	}
	return p.render(w, http.StatusOK, p.views.migrate, page{Title: "Move from v1 to v2", Section: sectionMigrate, Body: view})
}

// tokenURLs returns the endpoints of a dialect.
func (e Environment) tokenURLs(dialect string) []TokenURL {
	var urls []TokenURL
	for _, t := range e.TokenURLs {
		if t.Dialect == dialect {
			urls = append(urls, t)
		}
	}
	return urls
}
