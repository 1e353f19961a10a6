package config

import (
	"maps"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/manifest"
)

// CatalogOptions is what catalogues may refer to.
func (c *Config) CatalogOptions() manifest.Options {
	return manifest.Options{Vars: c.Catalog.Vars, TLS: slices.Sorted(maps.Keys(c.UpstreamTLS)), Issuers: c.IssuerNames()}
}

func (c *Config) checkUpstreamTLS(bad func(where, format string, args ...any)) {
	for _, name := range slices.Sorted(maps.Keys(c.UpstreamTLS)) {
		t, where := c.UpstreamTLS[name], "upstream_tls."+name
		if !environmentName.MatchString(name) {
			bad(where, "the name must be lower-case letters, digits and -")
		}
		switch {
		case t == nil || *t == UpstreamTLS{}:
			bad(where, "is empty; say what is different from the system's ways, or take it out")
		case (t.Certificate == "") != (t.Key == ""):
			bad(where, "give certificate and key, or neither")
		}
	}
}
