package adminapi

import (
	"net/http"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/market"
)

func (h *Handler) credential(c market.Credential) api.Credential {
	out := api.Credential{
		ID: string(c.ID), App: string(c.App), Kind: string(c.Kind), Label: c.Label, Hint: c.Hint, Thumbprint: c.Thumbprint(),
		Live: c.Live(h.Now()), Created: c.Created.UTC(), CreatedBy: c.CreatedBy, Expires: c.Expires.UTC(), Revoked: c.Revoked.UTC(),
		Replaces: string(c.Replaces), LastUsed: c.LastUsed.UTC(), LastUsedFrom: c.LastUsedFrom,
	}
	switch c.Kind { //nolint:exhaustive // of the others nothing else is shown
	case market.KeySetURL:
		out.JWKSURI = c.Material
	case market.CertifiedName:
		out.CertifiedName = c.Material
	}
	return out
}

// wish reads what credential is asked for: the one that is described, or a secret.
func wish(in api.NewCredential) (kind market.CredentialKind, material string, err error) {
	kind = market.CredentialKind(in.Kind)
	given := 0
	for _, g := range []struct {
		kind market.CredentialKind
		text string
	}{
		{market.PublicKey, in.PublicKey},
		{market.KeySetURL, in.JWKSURI},
		{market.Certificate, in.Certificate},
		{market.CertifiedName, in.CertifiedName},
	} {
		switch {
		case g.text != "" && in.Kind != "" && kind != g.kind:
			return "", "", market.Invalid(string(g.kind), "does not belong to a credential of the kind %q", in.Kind)
		case g.text != "":
			kind, material = g.kind, g.text
			given++
		case kind == g.kind && in.Kind != "":
			return "", "", market.Invalid(string(g.kind), "is missing")
		}
	}
	if given > 1 {
		return "", "", market.Invalid("kind", "a credential is one thing: give one of public_key, jwks_uri, certificate and certified_name")
	}
	return kind, material, nil
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
	kind, material, err := wish(in)
	if err != nil {
		return err
	}
	// The client_id is read first: nothing may fail once there is a secret to show.
	a, err := view(r.Context(), h, func(read market.Reader) (market.App, error) { return read.App(name) })
	if err != nil {
		return err
	}
	c, text, err := h.Market.AddCredential(r.Context(), actor(r), market.NewCredential{
		App: name, Label: in.Label, Expires: expires, Kind: kind, Material: material,
	})
	if err != nil {
		return err
	}
	out := api.CreatedCredential{Credential: h.credential(c), ClientID: a.ClientID}
	if c.Kind == market.ClientSecret {
		out.ClientSecret = api.NewSecret(text.Reveal())
	}
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
	all, err := view(r.Context(), h, func(read market.Reader) ([]market.Credential, error) {
		if _, err := read.App(name); err != nil {
			return nil, err
		}
		return read.Credentials(name)
	})
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, list(all, "", h.credential))
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
	c, err := h.Market.ExpireCredential(r.Context(), actor(r), name, at, market.Guard(in.Force))
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
	var in api.CredentialRevocation
	if err := readIfAny(w, r, &in); err != nil {
		return err
	}
	c, err := h.Market.RevokeCredential(r.Context(), actor(r), name, market.Guard(in.Force))
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, h.credential(c))
	return nil
}
