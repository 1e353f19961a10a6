package portal

import (
	"net/http"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/problem"
)

// problemView is the model of the page of one code, which more than one surface
// may have.
type problemView struct {
	Code  string
	Cases []problemCase
}

// problemCase is what the code means on one surface.
type problemCase struct {
	problem.Problem
	Where string
	Many  bool // the code has other cases
}

// problem serves /errors/{code}, to which the `type` of a refusal leads.
func (p *Portal) problem(w http.ResponseWriter, r *http.Request) error {
	view := problemView{Code: r.PathValue("code")}
	found := problem.ByCode(view.Code)
	if len(found) == 0 {
		return notFound("error code")
	}
	httpx.Place(r.Context(), r.URL.Path) // a code of ours
	for _, pr := range found {
		view.Cases = append(view.Cases, problemCase{Problem: pr, Where: surfaceTitle(pr.Surface), Many: len(found) > 1})
	}
	return p.render(w, http.StatusOK, p.views.problem, page{Title: view.Code, Section: sectionErrors, Body: view})
}
