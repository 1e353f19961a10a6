package portal

import "net/http"

// homeView is the model of the first page.
type homeView struct {
	APIs         []apiCard
	Environments []environmentView
	Steps        *stepsView // nil: nothing can be tried
}

// apiCard is an API in a list.
type apiCard struct {
	Name, Title, Version, Summary, BasePath string
}

// environmentView is an environment as the pages show it.
type environmentView struct {
	Environment
	Tokens []tokenView
}

// tokenView is a token endpoint as the pages show it.
type tokenView struct {
	Dialect, About, URL, Bodies, Lifetime string
}

// home serves /.
func (p *Portal) home(w http.ResponseWriter, _ *http.Request) error {
	view := homeView{Steps: p.steps()}
	for _, api := range p.catalog().APIs {
		view.APIs = append(view.APIs, apiCard{
			Name: api.Name, Title: api.Title, Version: api.Version, Summary: api.Summary, BasePath: api.BasePath,
		})
	}
	for _, env := range p.Environments {
		view.Environments = append(view.Environments, environmentOf(env))
	}
	return p.render(w, http.StatusOK, p.views.home, page{Section: sectionAPIs, Body: view})
}

func environmentOf(env Environment) environmentView {
	view := environmentView{Environment: env}
	for _, t := range env.TokenURLs {
		bodies := "form"
		if t.JSON {
			bodies = "form or JSON"
		}
		view.Tokens = append(view.Tokens, tokenView{
			Dialect: t.Dialect, About: aboutDialect(t.Dialect), URL: t.URL, Bodies: bodies, Lifetime: duration(t.Lifetime),
		})
	}
	return view
}

// aboutDialect says in a few words who a dialect is for; nothing of one that an
// operator has named.
func aboutDialect(dialect string) string {
	switch dialect {
	case "v1":
		return "for clients that have not moved yet"
	case "v2":
		return "for clients of version 2"
	case "v3":
		return "for clients of version 3"
	case "rfc":
		return "OAuth 2.0 as the RFCs have it, for new clients"
	}
	return ""
}
