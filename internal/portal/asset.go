package portal

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/httpx"
)

//go:embed static
var static embed.FS

// asset is an embedded file that pages refer to. Its path holds a part of its
// hash, so that browsers may keep it for as long as they like.
type asset struct {
	path      string
	mediaType string
	body      []byte
}

func openAsset(name, mediaType string) (asset, error) {
	body, err := static.ReadFile("static/" + name)
	if err != nil {
		return asset{}, fmt.Errorf("reading the portal's %s: %w", name, err)
	}
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	return asset{
		path:      "/static/" + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext,
		mediaType: mediaType,
		body:      body,
	}, nil
}

func (a asset) serve(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	httpx.WriteBody(w, http.StatusOK, a.mediaType, a.body)
	return nil
}
