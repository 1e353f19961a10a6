package portal

import (
	"net/http"

	"github.com/sallyport-dev/sallyport/internal/problem"
)

// problemsView is the model of the list of all problems.
type problemsView struct {
	Groups []problemGroup
}

// problemGroup is the problems of one surface.
type problemGroup struct {
	ID, Title, About string
	Problems         []problem.Problem
}

// problems serves /errors.
func (p *Portal) problems(w http.ResponseWriter, _ *http.Request) error {
	view := problemsView{Groups: []problemGroup{
		{ID: "call", Title: surfaceTitle(problem.Call), About: "Answers of the gateway to a call.", Problems: problem.On(problem.Call)},
		{ID: "token", Title: surfaceTitle(problem.Token), About: "Answers of the token endpoints, and of revocation and introspection.", Problems: problem.On(problem.Token)},
	}}
	return p.render(w, http.StatusOK, p.views.problems, page{Title: "Errors", Section: sectionErrors, Body: view})
}

func surfaceTitle(s problem.Surface) string {
	switch s {
	case problem.Call:
		return "Calling an API"
	case problem.Token:
		return "Getting a token"
	}
	return string(s)
}
