package adminapi

import (
	"net/http"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/market"
)

func (h *Handler) credential(c market.Credential) api.Credential {
	return api.Credential{
		ID: string(c.ID), App: string(c.App), Label: c.Label, Hint: c.Hint, Live: c.Live(h.Now()),
		Created: c.Created.UTC(), CreatedBy: c.CreatedBy, Expires: c.Expires.UTC(), Revoked: c.Revoked.UTC(),
		LastUsed: c.LastUsed.UTC(), LastUsedFrom: c.LastUsedFrom,
	}
}

func (h *Handler) createCredential(w http.ResponseWriter, r *http.Request) error {
	name, err := appID(r)
	if err != nil {
		return err
	}
	var in api.NewCredential
	if err := readIfAny(w, r, &in); err != nil {
		return err
	}
	expires, err := moment("expires", in.Expires)
	if err != nil {
		return err
	}
	// The client_id is read first: nothing may fail once there is a secret to show.
	var a market.App
	err = h.Market.Store.View(r.Context(), func(read market.Reader) (err error) {
		a, err = read.App(name)
		return err
	})
	if err != nil {
		return err
	}
	c, text, err := h.Market.AddCredential(r.Context(), actor(r), market.NewCredential{App: name, Label: in.Label, Expires: expires})
	if err != nil {
		return err
	}
	out := api.CreatedCredential{Credential: h.credential(c), ClientID: a.ClientID, ClientSecret: api.NewSecret(text.Reveal())}
	created(w, "/v1/credentials/"+string(c.ID), out)
	return nil
}

func (h *Handler) listCredentials(w http.ResponseWriter, r *http.Request) error {
	name, err := appID(r)
	if err != nil {
		return err
	}
	if err := readQuery(r).err(); err != nil {
		return err
	}
	var all []market.Credential
	err = h.Market.Store.View(r.Context(), func(read market.Reader) (err error) {
		if _, err := read.App(name); err != nil {
			return err
		}
		all, err = read.Credentials(name)
		return err
	})
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, list(all, "", h.credential))
	return nil
}

func (h *Handler) showCredential(w http.ResponseWriter, r *http.Request) error {
	name, err := credentialID(r)
	if err != nil {
		return err
	}
	var c market.Credential
	err = h.Market.Store.View(r.Context(), func(read market.Reader) (err error) {
		c, err = read.Credential(name)
		return err
	})
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, h.credential(c))
	return nil
}

func (h *Handler) patchCredential(w http.ResponseWriter, r *http.Request) error {
	name, err := credentialID(r)
	if err != nil {
		return err
	}
	var in api.CredentialPatch
	if err := read(w, r, &in); err != nil {
		return err
	}
	if in.Expires == nil {
		return market.Invalid("expires", `is missing: give a time, or "never"`)
	}
	at, err := moment("expires", in.Expires.Time)
	if err != nil {
		return err
	}
	c, err := h.Market.ExpireCredential(r.Context(), actor(r), name, at)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, h.credential(c))
	return nil
}

func (h *Handler) revokeCredential(w http.ResponseWriter, r *http.Request) error {
	name, err := credentialID(r)
	if err != nil {
		return err
	}
	c, err := h.Market.RevokeCredential(r.Context(), actor(r), name)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, h.credential(c))
	return nil
}
