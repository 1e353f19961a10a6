package adminapi

import (
	"net/http"
	"slices"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// platform is the level above the environments.
const platform = "platform"

// notBefores returns the levels, those that were never set included.
func (h *Handler) notBefores(r *http.Request) ([]api.NotBefore, error) {
	stored, err := view(r.Context(), h, market.Reader.NotBefores)
	if err != nil {
		return nil, err
	}
	out := []api.NotBefore{{Level: platform}}
	for _, env := range h.Environments {
		out = append(out, api.NotBefore{Level: string(env)})
	}
	for _, n := range stored {
		level := notBefore(n)
		if i := slices.IndexFunc(out, func(o api.NotBefore) bool { return o.Level == level.Level }); i >= 0 {
			out[i] = level
		}
	}
	return out, nil
}

func notBefore(n market.NotBefore) api.NotBefore {
	level := string(n.Environment)
	if level == "" {
		level = platform
	}
	return api.NotBefore{Level: level, NotBefore: n.Second, Updated: n.Updated.UTC()}
}

func (h *Handler) listNotBefores(w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	all, err := h.notBefores(r)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, api.List[api.NotBefore]{Items: all})
	return nil
}

func (h *Handler) showNotBefore(w http.ResponseWriter, r *http.Request) error {
	all, err := h.notBefores(r)
	if err != nil {
		return err
	}
	for _, n := range all {
		if n.Level == r.PathValue("level") {
			httpx.WriteJSON(w, http.StatusOK, n)
			return nil
		}
	}
	return notFound("level", "GET /v1/not-before lists them")
}

func (h *Handler) putNotBefore(w http.ResponseWriter, r *http.Request) error {
	level := r.PathValue("level")
	if level != platform && !slices.Contains(h.environments(), level) {
		return notFound("level", "GET /v1/not-before lists them")
	}
	var in api.NotBeforePut
	if err := read(w, r, &in); err != nil {
		return err
	}
	if in.NotBefore == nil {
		return market.Invalid("not_before", `is missing: give a second since 1970, or "now"`)
	}
	env := market.Environment(level)
	if level == platform {
		env = ""
	}
	n, err := h.Market.SetNotBefore(r.Context(), actor(r), env, *h.epoch(in.NotBefore))
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, notBefore(n))
	return nil
}
