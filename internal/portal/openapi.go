package portal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/sallyport-dev/sallyport/internal/httpx"
)

// openAPI serves /apis/{name}/openapi.json, to be kept and asked for again by
// its ETag (RFC 9110 §13.1.2).
func (p *Portal) openAPI(w http.ResponseWriter, r *http.Request) error {
	api := p.lookUp(r.PathValue("name"))
	if api == nil {
		return notFound("API")
	}
	httpx.Place(r.Context(), r.URL.Path) // a name of the catalogue
	if api.Source == nil {
		return notFound("OpenAPI document of this API")
	}
	sum := sha256.Sum256(api.Source)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", `attachment; filename="`+api.Name+`.openapi.json"`)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(api.Source))
	return nil
}
