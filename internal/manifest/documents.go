package manifest

import (
	"crypto/sha256"
	"sync"

	"github.com/sallyport-dev/sallyport/internal/openapi"
)

// Documents remembers the OpenAPI documents of the last catalogues that were read, by
// what their files hold: of a catalogue of which little has changed, only that is
// compiled again, which is nearly all that reading one costs. A document is never
// changed, so that many catalogues may have it. The zero Documents is ready to use, by
// many goroutines; nil remembers nothing.
type Documents struct {
	mu    sync.Mutex
	load  int64 // how many there were
	known map[documentKey]*remembered
}

// documentKey is of one API, so that no two share what is found by its address.
type documentKey struct {
	api string
	sum [sha256.Size]byte
}

type remembered struct {
	document *openapi.Document
	load     int64 // that had it last
}

// rememberedLoads is for how many readings of catalogues a document is remembered.
// Whoever applies a catalogue reads the new one, the old one, and the new one again.
const rememberedLoads = 3

// begin tells of another catalogue that is read, and forgets what the last ones have
// not had.
func (d *Documents) begin() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.load++
	for key, r := range d.known {
		if r.load < d.load-rememberedLoads {
			delete(d.known, key)
		}
	}
}

// parse is [openapi.Parse] of a file of an API, or what came of the same file before.
func (d *Documents) parse(api string, data []byte) (*openapi.Document, error) {
	if d == nil {
		return openapi.Parse(data)
	}
	key := documentKey{api, sha256.Sum256(data)}
	if known := d.find(key); known != nil {
		return known, nil
	}
	document, err := openapi.Parse(data)
	if err != nil {
		return nil, err // unwrapped: it is the Problems that are told
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil {
		d.known = map[documentKey]*remembered{}
	}
	d.known[key] = &remembered{document, d.load}
	return document, nil
}

func (d *Documents) find(key documentKey) *openapi.Document {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.known[key]
	if r == nil {
		return nil
	}
	r.load = d.load
	return r.document
}
