package adminapi

import (
	"fmt"
	"net/http"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// importClients takes over clients of another server.
func (h *Handler) importClients(w http.ResponseWriter, r *http.Request) error {
	var in api.Import
	if err := readUpTo(w, r, &in, maxCatalogBody); err != nil {
		return err
	}
	wish := market.Import{
		Environment: market.Environment(in.Environment), Contract: in.Contract, SkipExisting: in.SkipExisting, DryRun: in.DryRun,
		Apps: make([]market.ImportedApp, len(in.Apps)),
	}
	var faults []string
	for i, a := range in.Apps {
		app, wrong := importedApp(a)
		wish.Apps[i] = app
		for _, fault := range wrong {
			faults = append(faults, fmt.Sprintf("%q: %s", a.ClientID, fault))
		}
	}
	if len(faults) > 0 {
		return &refusal{
			code: api.CodeInvalid, field: "apps", detail: "not all of it can be read; nothing was changed", errors: faults,
			hint: "leave out or correct what the errors name, and import again",
		}
	}
	result, err := h.Market.Import(r.Context(), actor(r), wish)
	if err != nil {
		return err
	}
	out := api.ImportResult{
		Applied: !in.DryRun, Organizations: make([]string, len(result.Organizations)),
		Subscriptions: list(result.Subscriptions, "", subscription).Items, Apps: list(result.Apps, "", h.imported).Items,
	}
	for i, o := range result.Organizations {
		out.Organizations[i] = o.Name
	}
	httpx.WriteJSON(w, http.StatusOK, out)
	return nil
}

func (h *Handler) imported(o market.ImportOutcome) api.ImportedApp {
	return api.ImportedApp{
		ID: string(o.App.ID), ClientID: o.App.ClientID, Name: o.App.Name, Org: string(o.App.Org), Skipped: o.Skipped,
		Credentials: list(o.Credentials, "", h.credential).Items, Notes: append([]string{}, o.Notes...),
	}
}

// importedApp reads one client, and says what of it cannot be read.
func importedApp(in api.ImportApp) (a market.ImportedApp, faults []string) {
	switch {
	case (in.Org == "") == (in.OrgName == ""):
		faults = append(faults, "give org or org_name, one of them")
	case in.Org != "" && !identifierForm(in.Org, "org_"):
		faults = append(faults, "org must be the id of an organization, which begins with org_")
	}
	if err := printingNames("products", in.Products); err != nil {
		faults = append(faults, err.Error())
	}
	a = market.ImportedApp{
		Org: id.Org(in.Org), OrgName: in.OrgName, Name: in.Name, DeveloperEmail: in.DeveloperEmail, ClientID: in.ClientID,
		Disabled: in.Disabled, Products: in.Products,
	}
	for i, c := range in.Credentials {
		cred, err := importedCredential(c)
		if err != nil {
			faults = append(faults, fmt.Sprintf("credentials[%d]: %v", i, err))
		}
		a.Credentials = append(a.Credentials, cred)
	}
	return a, faults
}

func importedCredential(in api.ImportCredential) (c market.ImportedCredential, err error) {
	c = market.ImportedCredential{Label: in.Label}
	given := 0
	for _, g := range []struct {
		kind market.CredentialKind
		text string
	}{
		{market.ClientSecret, in.Secret.Reveal()},
		{market.ImportedSecret, in.Hash.Reveal()},
		{market.PublicKey, in.PublicKey},
		{market.KeySetURL, in.JWKSURI},
		{market.Certificate, in.Certificate},
		{market.CertifiedName, in.CertifiedName},
	} {
		if g.text == "" {
			continue
		}
		given++
		c.Kind, c.Material = g.kind, g.text
	}
	if given != 1 {
		return c, market.Invalid("kind", "a credential is one thing: give one of secret, hash, public_key, jwks_uri, certificate and certified_name")
	}
	if c.Kind == market.ClientSecret {
		c.Material, c.Secret = "", secret.New(in.Secret.Reveal())
	}
	c.Expires, err = moment("expires", in.Expires)
	return c, err
}
