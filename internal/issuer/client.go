package issuer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/token"
)

// read puts into p whom the claims name. It reports whether they are of the types
// that they should have.
func (m *Mapping) read(all map[string]any, p *token.Principal) bool {
	var client string
	var ok [3]bool
	switch {
	case m.Client != "":
		p.ClientID, ok[0] = m.Client, true
	case m.OrganizationClaim != "":
		p.Org, ok[0] = text(all, m.OrganizationClaim)
	default:
		client, ok[0] = text(all, m.ClientClaim)
		p.ClientID = client
		if m.Clients != nil {
			p.ClientID = m.Clients[client]
		}
		p.ApplicationName = client // as the issuer calls it
	}
	p.AllProducts, ok[1] = m.ProductsClaim == "", true
	if !p.AllProducts {
		p.Products, ok[1] = list(all, m.ProductsClaim)
	}
	p.User, ok[2] = text(all, m.UserClaim)
	if client != "" && p.User == client {
		p.User = "" // the client calls for itself (RFC 9068 §2.2)
	}
	return ok[0] && ok[1] && ok[2]
}

// text returns the text of a claim, "" if it is not there. Any other value is not
// taken for one.
func text(all map[string]any, name string) (s string, ok bool) {
	v, there := at(all, name)
	if !there {
		return "", true
	}
	s, ok = v.(string)
	return s, ok && len(s) <= maxText
}

// list returns the texts of a claim that is an array of them, or one text in which
// spaces part them.
func list(all map[string]any, name string) ([]string, bool) {
	v, there := at(all, name)
	switch v := v.(type) {
	case string:
		return strings.Fields(v), true
	case []any:
		out := make([]string, len(v))
		for i := range v {
			var ok bool
			if out[i], ok = v[i].(string); !ok {
				return nil, false
			}
		}
		return out, true
	}
	return nil, !there
}

// UnmappedError is why the claims of a good token lead to nobody.
type UnmappedError struct{ Reason, Next string }

// Error implements error.
func (e *UnmappedError) Error() string { return e.Reason }

// Client returns who calls by a token of one of the issuers, as of now; revoked says
// whether the token itself was revoked. The error is an [*UnmappedError].
func (s *Issuers) Client(m *snapshot.Model, p *token.Principal) (c snapshot.Client, revoked bool, err error) {
	i := s.Named(p.Foreign)
	if i == nil {
		return c, false, &UnmappedError{"the issuer " + p.Foreign + " is not one of this environment", "name the environment at the issuer"}
	}
	if c, err = i.client(m, p); err != nil {
		return snapshot.Client{}, false, err
	}
	if i.Mapping.Organizations != nil && !slices.Contains(i.Mapping.Organizations, c.Org.ID) {
		return snapshot.Client{}, false, &UnmappedError{
			fmt.Sprintf("the token leads to the organization %s, for which tokens of %s do not speak", c.Org.ID, i.Name),
			"list the organization among the issuer's organizations, if it may",
		}
	}
	return c, p.JTI != "" && m.Revoked(p.JTI), nil
}

func (i *Issuer) client(m *snapshot.Model, p *token.Principal) (snapshot.Client, error) {
	if i.Mapping.OrganizationClaim != "" {
		return i.organization(m, p)
	}
	where, value := "the claim "+i.Mapping.ClientClaim, p.ApplicationName
	if i.Mapping.Client != "" {
		where, value = "the issuer's client", p.ClientID
	}
	switch {
	case value == "":
		return snapshot.Client{}, &UnmappedError{"the token has no claim " + i.Mapping.ClientClaim + ", which is to name the app", "have the issuer put it in, or name another claim as client_claim"}
	case p.ClientID == "":
		return snapshot.Client{}, &UnmappedError{where + " is " + shown(value) + ", which the issuer's clients do not list", "list it there, with the client_id of an app"}
	}
	c, ok := m.ByClientID(p.ClientID)
	switch {
	case !ok:
		return c, &UnmappedError{where + " is " + shown(value) + ", which leads to no app: there is none with the client_id " + shown(p.ClientID), "name an app that exists"}
	case string(c.App.Environment) != p.Environment:
		return c, &UnmappedError{where + " is " + shown(value) + ", which leads to an app of " + string(c.App.Environment), "name an app of " + p.Environment}
	}
	return c, nil
}

func (i *Issuer) organization(m *snapshot.Model, p *token.Principal) (snapshot.Client, error) {
	if p.Org == "" {
		return snapshot.Client{}, &UnmappedError{"the token has no claim " + i.Mapping.OrganizationClaim + ", which is to name the organization", "have the issuer put it in, or name another claim as organization_claim"}
	}
	c, ok := m.ByOrg(id.Org(p.Org), market.Environment(p.Environment))
	if !ok {
		return c, &UnmappedError{"the claim " + i.Mapping.OrganizationClaim + " is " + shown(p.Org) + ", which is no organization's id", "have the issuer put the id of an organization in"}
	}
	return c, nil
}

// shown is a stranger's text in a sentence.
func shown(s string) string { return strconv.Quote(s) }
