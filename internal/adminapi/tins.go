package adminapi

import (
	"net/http"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

func tin(t market.TIN) api.TIN {
	return api.TIN{
		Org: string(t.Org), TIN: t.Number, State: string(t.State), Note: t.Note,
		Created: t.Created.UTC(), Updated: t.Updated.UTC(),
	}
}

func tinStates() []string {
	return []string{string(market.TINRequested), string(market.TINAssociated), string(market.TINRefused)}
}

func (h *Handler) listTINs(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	org := id.Org(q.identifier("org", "org_"))
	return h.answerTINs(w, r, q, org)
}

func (h *Handler) listOrganizationTINs(w http.ResponseWriter, r *http.Request) error {
	org, err := orgID(r)
	if err != nil {
		return err
	}
	return h.answerTINs(w, r, readQuery(r), org)
}

func (h *Handler) answerTINs(w http.ResponseWriter, r *http.Request, q *query, org id.Org) error {
	state := market.TINState(q.word("state", tinStates()...))
	if err := q.err(); err != nil {
		return err
	}
	all, err := view(r.Context(), h, func(read market.Reader) ([]market.TIN, error) {
		if err := isOrg(read, org); err != nil {
			return nil, err
		}
		return read.TINs(org, state)
	})
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, list(all, "", tin))
	return nil
}

func (h *Handler) requestTIN(w http.ResponseWriter, r *http.Request) error {
	org, err := orgID(r)
	if err != nil {
		return err
	}
	var in api.NewTIN
	if err := read(w, r, &in); err != nil {
		return err
	}
	t, err := h.Market.RequestTIN(r.Context(), actor(r), org, in.TIN)
	if err != nil {
		return err
	}
	created(w, "/v1/organizations/"+string(org)+"/tins/"+t.Number, tin(t))
	return nil
}

// orgTIN returns the two identifiers of a TIN's path.
func orgTIN(r *http.Request) (id.Org, string, error) {
	org, err := orgID(r)
	if err != nil {
		return "", "", err
	}
	number := r.PathValue("tin")
	if !market.ValidTIN(number) {
		return "", "", notFound("TIN", "a TIN is nine digits, without a hyphen")
	}
	return org, number, nil
}

func (h *Handler) showTIN(w http.ResponseWriter, r *http.Request) error {
	org, number, err := orgTIN(r)
	if err != nil {
		return err
	}
	t, err := view(r.Context(), h, func(read market.Reader) (market.TIN, error) { return read.TIN(org, number) })
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, tin(t))
	return nil
}

func (h *Handler) decideTIN(w http.ResponseWriter, r *http.Request) error {
	org, number, err := orgTIN(r)
	if err != nil {
		return err
	}
	var in api.TINDecision
	if err := read(w, r, &in); err != nil {
		return err
	}
	t, err := h.Market.DecideTIN(r.Context(), actor(r), org, number, market.TINState(in.State), in.Note)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, tin(t))
	return nil
}

func (h *Handler) deleteTIN(w http.ResponseWriter, r *http.Request) error {
	org, number, err := orgTIN(r)
	if err != nil {
		return err
	}
	if err := h.Market.RemoveTIN(r.Context(), actor(r), org, number); err != nil {
		return err
	}
	done(w)
	return nil
}
