package adminapi

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/id"
)

// choice is what the parameters of a path look like that choose one of a few things.
var choice = regexp.MustCompile(`^[a-z-]{1,24}$`)

// place is what the access record may say of a request's path: the pattern of its
// route, with the ids in it that are ours, and what chooses. Other values are about
// somebody, as TINs are, or may be.
func (h *Handler) place(r *http.Request) string {
	_, pattern := h.private.Handler(r)
	if pattern == "" {
		_, pattern = h.public.Handler(r)
	}
	_, pattern, _ = strings.Cut(pattern, " ")
	names, values := strings.Split(pattern, "/"), strings.Split(r.URL.Path, "/")
	if len(names) != len(values) {
		return ""
	}
	for i, value := range values {
		switch name := names[i]; name {
		case "{kind}", "{level}", "{action}":
			if choice.MatchString(value) {
				names[i] = value
			}
		default:
			if strings.HasPrefix(name, "{") && id.IsOurs(value) {
				names[i] = value
			}
		}
	}
	return strings.Join(names, "/")
}
