package adminapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// authenticate finds the operator whose token the request bears. The look-up
// runs even when there is no token, so that none, a wrong one and an old one
// take one path; all of them end in errUnauthorized.
func (h *Handler) authenticate(r *http.Request) (*http.Request, error) {
	token, err := h.Market.Operator(r.Context(), bearer(r))
	switch {
	case errors.Is(err, market.NotFound):
		return r, errUnauthorized
	case err != nil:
		return r, err
	}
	actor := market.Actor{Kind: "operator", ID: string(token.ID), From: httpx.RemoteAddr(r).String()}
	httpx.Note(r.Context(), slog.String("operator", actor.ID))
	return r.WithContext(context.WithValue(r.Context(), actorKey{}, actor)), nil
}

// bearer returns the bearer token of a request (RFC 6750 §2.1), empty unless
// there is exactly one Authorization header with exactly one token.
func bearer(r *http.Request) secret.String {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return secret.New("")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return secret.New("")
	}
	return secret.New(strings.TrimLeft(token, " "))
}

type actorKey struct{}

// actor returns who the request is by.
func actor(r *http.Request) market.Actor {
	a, _ := r.Context().Value(actorKey{}).(market.Actor)
	return a
}
