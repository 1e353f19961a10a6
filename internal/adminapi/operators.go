package adminapi

import (
	"net/http"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

func (h *Handler) operatorToken(t market.OperatorToken) api.OperatorToken {
	return api.OperatorToken{
		ID: string(t.ID), Label: t.Label, Hint: t.Hint,
		Live:    t.Revoked.IsZero() && (t.Expires.IsZero() || h.Now().Before(t.Expires)),
		Created: t.Created.UTC(), Expires: t.Expires.UTC(), Revoked: t.Revoked.UTC(),
	}
}

func (h *Handler) createOperatorToken(w http.ResponseWriter, r *http.Request) error {
	var in api.NewOperatorToken
	if err := read(w, r, &in); err != nil {
		return err
	}
	expires, err := moment("expires", in.Expires)
	if err != nil {
		return err
	}
	t, text, err := h.Market.AddOperatorToken(r.Context(), actor(r), in.Label, expires)
	if err != nil {
		return err
	}
	created(w, "/v1/operator-tokens/"+string(t.ID),
		api.CreatedOperatorToken{OperatorToken: h.operatorToken(t), Token: api.NewSecret(text.Reveal())})
	return nil
}

func (h *Handler) revokeOperatorToken(w http.ResponseWriter, r *http.Request) error {
	name, err := operatorTokenID(r)
	if err != nil {
		return err
	}
	t, err := h.Market.RevokeOperatorToken(r.Context(), actor(r), name)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, h.operatorToken(t))
	return nil
}

// leeway is more than gateways allow on exp (CONTRACT 4.1): a revocation outlives
// its token.
const leeway = time.Minute

// maxTokenAge bounds for how long a revocation is kept, should its expiry be
// made up: longer than any access token lives.
const maxTokenAge = 31 * 24 * time.Hour

// revokeToken ends one access token, by its jti.
func (h *Handler) revokeToken(w http.ResponseWriter, r *http.Request) error {
	var in api.TokenRevocation
	if err := read(w, r, &in); err != nil {
		return err
	}
	expires, err := moment("expires", in.Expires)
	now := h.Now()
	switch {
	case in.JTI == "" || len(in.JTI) > 128 || !printing(in.JTI):
		return market.Invalid("jti", "must be the token's jti: 1 to 128 printing characters")
	case err != nil:
		return err
	case expires.IsZero():
		return market.Invalid("expires", "is missing: give the token's exp")
	case !expires.After(now):
		return market.Invalid("expires", "has passed already: the token ended by itself")
	case expires.After(now.Add(maxTokenAge)):
		return market.Invalid("expires", "lies further ahead than any token lives: give the token's exp")
	case in.Org != "" && !identifierForm(in.Org, "org_"):
		return market.Invalid("org", "must be an id that begins with org_")
	case in.App != "" && !identifierForm(in.App, "app_"):
		return market.Invalid("app", "must be an id that begins with app_")
	}
	// What was typed may be wrong, and a revocation that ends before its token
	// would bring it back: it is kept as long as any token lives.
	revocation := market.Revocation{JTI: in.JTI, Org: id.Org(in.Org), App: id.App(in.App), Expires: now.Add(maxTokenAge + leeway)}
	if err := h.checkOwner(r, &revocation); err != nil {
		return err
	}
	if err := h.Market.RevokeToken(r.Context(), actor(r), revocation); err != nil {
		return err
	}
	done(w)
	return nil
}

// checkOwner holds the owner of a token to those that there are, and finds the
// organization of an app.
func (h *Handler) checkOwner(r *http.Request, revocation *market.Revocation) error {
	return h.Market.Store.View(r.Context(), func(read market.Reader) error {
		if revocation.App != "" {
			a, err := read.App(revocation.App)
			if err != nil {
				return err
			}
			if revocation.Org != "" && revocation.Org != a.Org {
				return market.Invalid("org", "the app belongs to another organization")
			}
			revocation.Org = a.Org
		}
		if revocation.Org == "" {
			return nil
		}
		_, err := read.Org(revocation.Org)
		return err
	})
}
