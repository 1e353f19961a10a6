package manifest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/manifest"
)

func TestAnAPIWithoutADocumentIsPassedOnWhole(t *testing.T) {
	c := load(t, folder(map[string]*string{
		"books/manifest.yaml": new("title: Books\nbase_path: /books\nproducts: [P_One]"),
		"books/openapi.yaml":  nil,
	}), nil)
	a := c.APIs[0]
	if a.Document == nil || len(a.Document.Operations) != 0 || a.Source != nil || a.Mock == nil ||
		a.Request.Unlisted != manifest.PassUnlisted || a.Request.Validate != manifest.ValidateOff {
		t.Errorf("got %+v", a)
	}
}

func TestOpenedTellsWhatNeedsNoTokenAnyMore(t *testing.T) {
	with := func(request string) *manifest.Catalog {
		return load(t, folder(map[string]*string{"books/manifest.yaml": new(books + "request: " + request)}), nil)
	}
	closed, list, all := with("{}"), with("{public: [list]}"), with("{unlisted: pass, public: [list, other]}")
	for name, c := range map[string]struct {
		from, to *manifest.Catalog
		want     []string
	}{
		"nothing":         {closed, closed, nil},
		"one":             {closed, list, []string{"API books: GET /library/books/"}},
		"the same":        {list, list, nil},
		"fewer":           {list, closed, nil},
		"the rest too":    {list, all, []string{"API books: everything else below /library/books"}},
		"the first there": {nil, list, []string{"API books: GET /library/books/"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, manifest.Opened(c.from, c.to)); diff != "" && len(c.want)+len(manifest.Opened(c.from, c.to)) > 0 {
				t.Error(diff)
			}
		})
	}
}
