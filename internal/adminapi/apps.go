package adminapi

import (
	"net/http"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

func app(a market.App) api.App {
	out := api.App{
		ID: string(a.ID), Org: string(a.Org), Environment: string(a.Environment), Name: a.Name,
		DeveloperEmail: a.DeveloperEmail, ClientID: a.ClientID, State: string(a.State),
		Products: append([]string{}, a.Products...), TokenLifetime: api.SecondsOf(a.TokenLifetime),
		Binding: unboundText, Oversees: ownText, NotBefore: a.NotBefore, Created: a.Created.UTC(),
	}
	if a.Binding != market.Unbound {
		out.Binding = string(a.Binding)
	}
	if a.Oversees != market.OwnTokens {
		out.Oversees = string(a.Oversees)
	}
	if a.ReuseWindow != nil {
		window := api.SecondsOf(*a.ReuseWindow)
		out.ReuseWindow = &window
	}
	return out
}

// unboundText is how the API writes market.Unbound.
const unboundText = "none"

// ownText is how the API writes market.OwnTokens.
const ownText = "own"

func oversight(text string) market.Oversight {
	if text == ownText {
		return market.OwnTokens
	}
	return market.Oversight(text)
}

func oversightPatch(text *string) *market.Oversight {
	if text == nil {
		return nil
	}
	o := oversight(*text)
	return &o
}

func binding(text string) market.Binding {
	if text == unboundText {
		return market.Unbound
	}
	return market.Binding(text)
}

func bindingPatch(text *string) *market.Binding {
	if text == nil {
		return nil
	}
	b := binding(*text)
	return &b
}

func (h *Handler) createApp(w http.ResponseWriter, r *http.Request) error {
	var in api.NewApp
	if err := read(w, r, &in); err != nil {
		return err
	}
	if !identifierForm(in.Org, "org_") {
		return market.Invalid("org", "must be the id of an organization, which begins with org_")
	}
	if err := printingNames("products", in.Products); err != nil {
		return err
	}
	lifetime, err := seconds("token_lifetime", in.TokenLifetime)
	if err != nil {
		return err
	}
	window, err := secondsPatch("reuse_window", in.ReuseWindow)
	if err != nil {
		return err
	}
	if window != nil && *window < 0 {
		window = nil
	}
	a, err := h.Market.AddApp(r.Context(), actor(r), market.NewApp{
		Org: id.Org(in.Org), Environment: market.Environment(in.Environment), Name: in.Name,
		DeveloperEmail: in.DeveloperEmail, Products: in.Products, TokenLifetime: lifetime, ReuseWindow: window, Binding: binding(in.Binding),
		Oversees: oversight(in.Oversees),
	})
	if err != nil {
		return err
	}
	created(w, "/v1/apps/"+string(a.ID), app(a))
	return nil
}

func (h *Handler) listApps(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	org, page := id.Org(q.identifier("org", "org_")), q.page()
	if err := q.err(); err != nil {
		return err
	}
	var apps []market.App
	var next string
	err := h.Market.Store.View(r.Context(), func(read market.Reader) (err error) {
		if err := isOrg(read, org); err != nil {
			return err
		}
		apps, next, err = read.Apps(org, page)
		return err
	})
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, list(apps, next, app))
	return nil
}

func (h *Handler) patchApp(w http.ResponseWriter, r *http.Request) error {
	name, err := appID(r)
	if err != nil {
		return err
	}
	var in api.AppPatch
	if err := read(w, r, &in); err != nil {
		return err
	}
	if in.Products != nil {
		if err := printingNames("products", *in.Products); err != nil {
			return err
		}
	}
	var lifetime, window *time.Duration
	if lifetime, err = secondsPatch("token_lifetime", in.TokenLifetime); err != nil {
		return err
	}
	if window, err = secondsPatch("reuse_window", in.ReuseWindow); err != nil {
		return err
	}
	a, err := h.Market.ChangeApp(r.Context(), actor(r), name, market.AppPatch{
		Name: in.Name, DeveloperEmail: in.DeveloperEmail, State: (*market.AppState)(in.State), Products: in.Products,
		TokenLifetime: lifetime, ReuseWindow: window, Binding: bindingPatch(in.Binding), Oversees: oversightPatch(in.Oversees),
		NotBefore: h.epoch(in.NotBefore), Guard: market.Guard(in.Force),
	})
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, app(a))
	return nil
}

func (h *Handler) deleteApp(w http.ResponseWriter, r *http.Request) error {
	name, err := appID(r)
	if err != nil {
		return err
	}
	q := readQuery(r)
	guard := market.Guard(q.word("force", "true", "false") == "true")
	if err := q.err(); err != nil {
		return err
	}
	if err := h.Market.RemoveApp(r.Context(), actor(r), name, guard); err != nil {
		return err
	}
	done(w)
	return nil
}

// printingNames holds names to what the store can be asked for.
func printingNames(field string, names []string) error {
	for _, name := range names {
		if !printing(name) {
			return market.Invalid(field, "holds a name with a character that does not print")
		}
	}
	return nil
}
