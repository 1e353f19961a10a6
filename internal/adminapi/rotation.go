package adminapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// maxExpiring is how many days ahead may be asked for.
const maxExpiring = 3660

// findCredentials lists credentials of any app.
func (h *Handler) findCredentials(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	filter := market.CredentialFilter{Org: id.Org(q.identifier("org", "org_")), App: id.App(q.identifier("app", "app_"))}
	if days := q.text("expiring"); days != "" {
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > maxExpiring {
			q.refuse("expiring", "must be a number of days from 1 to %d", maxExpiring)
		}
		filter.ExpiresBy = h.Now().Add(time.Duration(n) * 24 * time.Hour)
	}
	filter.Page = q.page()
	if err := q.err(); err != nil {
		return err
	}
	var all []market.Credential
	var next string
	err := h.Market.Store.View(r.Context(), func(read market.Reader) (err error) {
		if err := isOrg(read, filter.Org); err != nil {
			return err
		}
		if filter.App != "" {
			if _, err := read.App(filter.App); err != nil {
				return err
			}
		}
		all, next, err = read.CredentialsBy(filter)
		return err
	})
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, list(all, next, h.credential))
	return nil
}

func (h *Handler) rotateCredential(w http.ResponseWriter, r *http.Request) error {
	name, err := credentialID(r)
	if err != nil {
		return err
	}
	var in api.CredentialRotation
	if err := readIfAny(w, r, &in); err != nil {
		return err
	}
	expires, err := moment("expires", in.Expires)
	if err != nil {
		return err
	}
	overlap := market.DefaultOverlap
	if in.Overlap != nil {
		if overlap, err = seconds("overlap_seconds", *in.Overlap); err != nil {
			return err
		}
	}
	rotated, err := h.Market.RotateCredential(r.Context(), actor(r), market.Rotation{
		Credential: name, Label: in.Label, Expires: expires, Overlap: overlap, Guard: market.Guard(in.Force),
	})
	if err != nil {
		return err
	}
	out := api.RotatedCredential{
		CreatedCredential: api.CreatedCredential{
			Credential: h.credential(rotated.New), ClientID: rotated.App.ClientID, ClientSecret: api.NewSecret(rotated.Text.Reveal()),
		},
		OldExpires: rotated.Old.Expires.UTC(),
	}
	created(w, "/v1/credentials/"+string(rotated.New.ID), out)
	return nil
}
