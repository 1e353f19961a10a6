package market

import (
	"context"
	"net/mail"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport-dev/sallyport/internal/id"
)

// Market carries the use cases. All fields are needed, except Uses.
type Market struct {
	Store        Store
	Hasher       Hasher
	Now          func() time.Time
	Environments map[Environment]EnvironmentRules
	// Uses tells the uses of credentials that this node has not written to the
	// store yet; nil: what is stored has to do.
	Uses Uses
}

// Uses tells when and from which network a credential was used last.
type Uses interface {
	LastUse(cred id.Credential) (at time.Time, from string)
}

// EnvironmentRules is what the use cases have to know of an environment.
type EnvironmentRules struct {
	SecretPrefix     string        // of its secrets, e.g. "spsbx"
	MinTokenLifetime time.Duration // deployed clients hard-code an hour (CONTRACT 2.7)
	MaxTokenLifetime time.Duration
	SecretLifetime   time.Duration // the longest that a secret lives which a client makes; zero: any
	Contracted       bool          // credentials need a subscription with a contract (CONTRACT 6.2)
}

// The limits of what is stored.
const (
	maxName    = 100
	maxNote    = 500
	maxSecrets = 1000 // live credentials of one app: a bound against runaways
)

func (m *Market) environment(env Environment) (EnvironmentRules, error) {
	rules, ok := m.Environments[env]
	if !ok {
		names := make([]string, 0, len(m.Environments))
		for name := range m.Environments {
			names = append(names, string(name))
		}
		return rules, Invalid("environment", "there is no environment %q; there are: %s", env, sortedList(names))
	}
	return rules, nil
}

// AddOrganization adds an organization.
func (m *Market) AddOrganization(ctx context.Context, by Actor, name string) (Organization, error) {
	if err := checkName("name", name); err != nil {
		return Organization{}, err
	}
	o := Organization{ID: id.NewOrg(), Name: name, State: OrgActive, Created: m.Now()}
	err := m.Store.Update(ctx, by, func(tx Tx) error {
		if err := tx.PutOrg(o); err != nil {
			return err
		}
		return tx.Record(orgChange("create", o.ID, map[string]any{"name": name}))
	})
	return o, err
}

// OrganizationPatch changes what is not nil.
type OrganizationPatch struct {
	Name      *string
	State     *OrgState
	NotBefore *int64
}

// ChangeOrganization changes an organization. Suspending one stops its tokens
// and calls everywhere.
func (m *Market) ChangeOrganization(ctx context.Context, by Actor, org id.Org, p OrganizationPatch) (o Organization, err error) {
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if o, err = tx.Org(org); err != nil {
			return err
		}
		detail := map[string]any{}
		if p.Name != nil {
			if err := checkName("name", *p.Name); err != nil {
				return err
			}
			o.Name = *p.Name
			detail["name"] = o.Name
		}
		if p.State != nil {
			if *p.State != OrgActive && *p.State != OrgSuspended {
				return Invalid("state", "an organization is %q or %q", OrgActive, OrgSuspended)
			}
			o.State = *p.State
			detail["state"] = o.State
		}
		if p.NotBefore != nil {
			if o.NotBefore, err = m.notBefore(*p.NotBefore, o.NotBefore); err != nil {
				return err
			}
			detail["not_before"] = o.NotBefore
		}
		if len(detail) == 0 {
			return errNothing("name, state, not_before")
		}
		if err := tx.PutOrg(o); err != nil {
			return err
		}
		return tx.Record(orgChange("update", o.ID, detail))
	})
	return o, err
}

// SetNotBefore revokes every token of an environment, or of all of them for "",
// that was issued before second.
func (m *Market) SetNotBefore(ctx context.Context, by Actor, env Environment, second int64) (n NotBefore, err error) {
	if env != "" {
		if _, err := m.environment(env); err != nil {
			return n, err
		}
	}
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		all, err := tx.NotBefores()
		if err != nil {
			return err
		}
		n = NotBefore{Environment: env, Updated: m.Now()}
		var before int64
		for _, other := range all {
			if other.Environment == env {
				before = other.Second
			}
		}
		if n.Second, err = m.notBefore(second, before); err != nil {
			return err
		}
		if err := tx.PutNotBefore(n); err != nil {
			return err
		}
		name := string(env)
		if name == "" {
			name = "platform"
		}
		return tx.Record(Change{
			Action: "not_before", Kind: KindPlatform, ID: name,
			Detail: map[string]any{"not_before": n.Second}, Feed: KindPlatform, FeedKey: name,
		})
	})
	return n, err
}

// NotBeforeNow is the not-before that revokes everything issued until now: the
// next whole second, because iat has no finer grain.
func NotBeforeNow(now time.Time) int64 { return now.Unix() + 1 }

// notBefore checks a wish against what is set. It may not lie ahead, where it
// would revoke tokens that are still to be issued, nor go back, where it would
// bring revoked ones to life. One that was set by a clock that was ahead, and now lies
// ahead itself, keeps every token from being issued; it may go back, as far as now.
func (m *Market) notBefore(wish, before int64) (int64, error) {
	now := m.Now()
	switch {
	case wish > NotBeforeNow(now):
		return 0, Invalid("not_before", "lies in the future: tokens that are yet to be issued would be dead on arrival; at most now")
	case wish < min(before, now.Unix()):
		return 0, Invalid("not_before", "lies before the one that is set (%d): revoked tokens would come back to life", before)
	}
	return wish, nil
}

// RevokeToken ends one token (RFC 7009). It is known everywhere within a second and
// kept until the token would have ended by itself.
func (m *Market) RevokeToken(ctx context.Context, by Actor, r Revocation) error {
	r.Created = m.Now()
	return m.Store.Update(ctx, by, func(tx Tx) error {
		if err := tx.AddRevocation(r); err != nil {
			return err
		}
		return tx.Record(Change{
			Action: "revoke", Kind: KindRevocation, ID: r.JTI, Org: r.Org,
			Detail: map[string]any{"app": r.App}, Feed: KindRevocation, FeedKey: r.JTI,
		})
	})
}

func orgChange(action string, org id.Org, detail map[string]any) Change {
	return Change{
		Action: action, Kind: KindOrg, ID: string(org), Org: org,
		Detail: detail, Feed: KindOrg, FeedKey: string(org),
	}
}

func errNothing(fields string) error {
	return &Error{Code: InvalidInput, Public: "nothing to change", Hint: "give at least one of: " + fields}
}

// checkName holds a name to what can be shown anywhere: 1 to 100 printing
// characters, no space at either end.
func checkName(field, name string) error {
	switch {
	case strings.TrimSpace(name) != name || name == "":
		return Invalid(field, "must not be empty, nor begin or end with a space")
	case utf8.RuneCountInString(name) > maxName:
		return Invalid(field, "is longer than %d characters", maxName)
	}
	return checkPrinting(field, name)
}

func checkNote(field, note string) error {
	if utf8.RuneCountInString(note) > maxNote {
		return Invalid(field, "is longer than %d characters", maxNote)
	}
	return checkPrinting(field, note)
}

func checkPrinting(field, s string) error {
	if !utf8.ValidString(s) {
		return Invalid(field, "is not UTF-8 text")
	}
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return Invalid(field, "holds a character that does not print")
		}
	}
	return nil
}

func checkEmail(field, address string) error {
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || len(address) > 254 {
		return Invalid(field, "is not an e-mail address, such as dev@example.com")
	}
	return checkPrinting(field, address)
}

var tinForm = regexp.MustCompile(`^[0-9]{9}$`)

// ValidTIN reports whether number has the form of a TIN: nine digits.
func ValidTIN(number string) bool { return tinForm.MatchString(number) }
