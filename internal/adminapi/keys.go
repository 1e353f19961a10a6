package adminapi

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/keyring"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// key shows a key among those of its environment, which tell whether it signs.
func (h *Handler) key(ctx context.Context, k keyring.Record, all []keyring.Record) (api.Key, error) {
	waiting, err := h.Keys.Waiting(ctx, k)
	if err != nil {
		return api.Key{}, err
	}
	out := api.Key{
		KID: k.KID, Environment: string(k.Environment), Use: string(k.Use), Algorithm: string(k.Algorithm),
		State: keyState(k, all, h.Now()), Kept: "store", SealingKey: k.SealingKey,
		Created: k.Created.UTC(), Activates: k.Activates.UTC(), Retires: k.Retires.UTC(), Revoked: k.Revoked.UTC(),
	}
	if k.InVault {
		out.Kept = "module"
	}
	for _, n := range waiting {
		out.WaitingFor = append(out.WaitingFor, n.Name)
	}
	return out, nil
}

func keyState(k keyring.Record, all []keyring.Record, now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case !k.Retires.IsZero() && !now.Before(k.Retires):
		return "retired"
	case k.Activates.IsZero() || now.Before(k.Activates):
		return "published"
	}
	for _, other := range all {
		if other.Use == k.Use && other.KID != k.KID && other.Revoked.IsZero() &&
			!now.Before(other.Activates) && other.Activates.After(k.Activates) {
			return "superseded"
		}
	}
	return "signing"
}

func (h *Handler) listKeys(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	only := market.Environment(q.word("environment", h.environments()...))
	if err := q.err(); err != nil {
		return err
	}
	out := api.List[api.Key]{Items: []api.Key{}}
	for _, env := range h.Environments {
		if only != "" && env != only {
			continue
		}
		all, err := h.Keys.Keys(r.Context(), env)
		if err != nil {
			return err
		}
		for _, k := range all {
			shown, err := h.key(r.Context(), k, all)
			if err != nil {
				return err
			}
			out.Items = append(out.Items, shown)
		}
	}
	httpx.WriteJSON(w, http.StatusOK, out)
	return nil
}

func (h *Handler) rotateKey(w http.ResponseWriter, r *http.Request) error {
	var in api.KeyRotation
	if err := read(w, r, &in); err != nil {
		return err
	}
	env, use, alg := market.Environment(in.Environment), keyring.Use(in.Use), keyring.Algorithm(in.Algorithm)
	if !slices.Contains(h.Environments, env) {
		return market.Invalid("environment", "there is no such environment; there are: %s", strings.Join(h.environments(), ", "))
	}
	switch use {
	case "":
		use = keyring.UseToken
	case keyring.UseToken, keyring.UseIdentity:
	default:
		return market.Invalid("use", "must be %q or %q", keyring.UseToken, keyring.UseIdentity)
	}
	switch alg {
	case "", keyring.RS256, keyring.ES256, keyring.EdDSA:
	default:
		return market.Invalid("algorithm", "must be %s, %s or %s", keyring.RS256, keyring.ES256, keyring.EdDSA)
	}
	k, err := h.Keys.Rotate(r.Context(), actor(r), env, use, alg, in.Emergency)
	if err != nil {
		return err
	}
	return h.answerKey(r.Context(), w, http.StatusCreated, k, in.Emergency)
}

func (h *Handler) revokeKey(w http.ResponseWriter, r *http.Request) error {
	kid := r.PathValue("kid")
	for _, env := range h.Environments {
		all, err := h.Keys.Keys(r.Context(), env)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(k keyring.Record) bool { return k.KID == kid }) {
			continue
		}
		k, err := h.Keys.Revoke(r.Context(), actor(r), env, kid)
		if err != nil {
			return err
		}
		return h.answerKey(r.Context(), w, http.StatusOK, k, false)
	}
	return notFound("key", "GET /v1/keys lists them")
}

func (h *Handler) answerKey(ctx context.Context, w http.ResponseWriter, status int, k keyring.Record, emergency bool) error {
	all, err := h.Keys.Keys(ctx, k.Environment)
	if err != nil {
		return err
	}
	shown, err := h.key(ctx, k, all)
	if err != nil {
		return err
	}
	for _, other := range all {
		if emergency && other.Use == k.Use && other.Revoked.Equal(k.Created) { // one commit, one moment
			shown.Revokes = append(shown.Revokes, other.KID)
		}
	}
	httpx.WriteJSON(w, status, shown)
	return nil
}
