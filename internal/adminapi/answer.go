package adminapi

import (
	"context"
	"net/http"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// view reads from the store, in one transaction.
func view[T any](ctx context.Context, h *Handler, read func(market.Reader) (T, error)) (found T, err error) {
	err = h.Market.Store.View(ctx, func(reader market.Reader) error {
		found, err = read(reader)
		return err
	})
	return found, err
}

// show makes the handler that shows the one thing whose id the path has.
func show[ID, T, U any](h *Handler, pathID func(*http.Request) (ID, error),
	read func(market.Reader, ID) (T, error), shown func(T) U,
) httpx.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		id, err := pathID(r)
		if err != nil {
			return err
		}
		found, err := view(r.Context(), h, func(reader market.Reader) (T, error) { return read(reader, id) })
		if err != nil {
			return err
		}
		httpx.WriteJSON(w, http.StatusOK, shown(found))
		return nil
	}
}

// showAll makes the handler that lists all things of a kind, for which there are no
// parameters and no pages.
func showAll[T, U any](h *Handler, read func(market.Reader) ([]T, error), shown func(T) U) httpx.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := readQuery(r).err(); err != nil {
			return err
		}
		all, err := view(r.Context(), h, read)
		if err != nil {
			return err
		}
		httpx.WriteJSON(w, http.StatusOK, list(all, "", shown))
		return nil
	}
}

// list makes a list that is never null.
func list[T, U any](in []T, next string, convert func(T) U) api.List[U] {
	out := make([]U, len(in))
	for i, v := range in {
		out[i] = convert(v)
	}
	return api.List[U]{Items: out, Next: next}
}

// created answers 201 with where the new thing is.
func created(w http.ResponseWriter, location string, v any) {
	w.Header().Set("Location", location)
	httpx.WriteJSON(w, http.StatusCreated, v)
}

// done answers 204.
func done(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }
