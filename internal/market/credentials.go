package market

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// NewCredential is the wish for a credential.
type NewCredential struct {
	App     id.App
	Label   string
	Expires time.Time      // zero: never; a certificate's end, if it is one
	Kind    CredentialKind // empty: a secret
	// Material is what a credential that is no secret is made of: a JWK or PEM of
	// a public key, the URL of a key set, a certificate in PEM, a certified name.
	Material string
}

// AddCredential makes a credential for an app. A secret is returned: the only time
// that it is shown. In a contracted environment the organization needs a subscribed
// product first (CONTRACT 6.2).
func (m *Market) AddCredential(ctx context.Context, by Actor, in NewCredential) (c Credential, text secret.String, err error) {
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		a, err := tx.App(in.App)
		if err != nil {
			return err
		}
		rules, err := m.environment(a.Environment)
		if err != nil {
			return err
		}
		if err := m.mayHaveCredential(tx, a, rules); err != nil {
			return err
		}
		if err := checkNote("label", in.Label); err != nil {
			return err
		}
		now := m.Now()
		if !in.Expires.IsZero() && !in.Expires.After(now) {
			return Invalid("expires", "has passed already")
		}
		c = Credential{
			ID: id.NewCredential(), App: a.ID, Kind: in.Kind, Label: in.Label,
			Created: now, CreatedBy: by.Kind + " " + by.ID, Expires: in.Expires,
		}
		if c.Kind == "" || c.Kind == ClientSecret {
			c.Kind = ClientSecret
			text, c.Hint = NewSecret(rules.SecretPrefix)
			c.Hash = m.Hasher.Hash(text.Reveal())
		} else if err := m.fill(tx, &c, in.Material); err != nil {
			return err
		}
		if err := tx.PutCredential(c); err != nil {
			return err
		}
		return tx.Record(credentialChange("create", a, c, map[string]any{"kind": c.Kind, "label": c.Label, "hint": c.Hint}))
	})
	return c, text, err
}

// fill makes c of what was given, which its app may not have already.
func (m *Market) fill(tx Tx, c *Credential, given string) error {
	made, err := readMaterial(c.Kind, given, m.Now())
	if err != nil {
		return err
	}
	c.Material, c.Hint, c.Hash = made.text, made.hint, materialHash(c.App, c.Kind, made.identity)
	if c.Expires.IsZero() {
		c.Expires = made.expires
	}
	all, err := tx.Credentials(c.App)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.Hash != c.Hash {
			continue
		}
		if other.Revoked.IsZero() {
			return &Error{Code: Conflict, Public: "the app has that " + string(c.Kind) + " already, as " + string(other.ID), Hint: "move its expiry, if it has expired"}
		}
		return &Error{
			Code: Conflict, Public: "the app had that key and revoked it, as " + string(other.ID),
			Hint: "make a new key pair: a key that was given up does not come back",
		}
	}
	return nil
}

func (m *Market) mayHaveCredential(tx Tx, a App, rules EnvironmentRules) error {
	all, err := tx.Credentials(a.ID)
	if err != nil {
		return err
	}
	live := slices.DeleteFunc(all, func(c Credential) bool { return !c.Live(m.Now()) })
	if len(live) >= maxSecrets {
		return &Error{Code: Conflict, Public: "the app has 1000 live credentials already", Hint: "revoke one that is not used any more"}
	}
	if !rules.Contracted {
		return nil
	}
	subs, err := tx.Subscriptions(a.Org, SubSubscribed)
	if err != nil {
		return err
	}
	if len(subs) == 0 {
		return &Error{
			Code:   Conflict,
			Public: "credentials for " + string(a.Environment) + " exist only once a product is subscribed",
			Hint:   "request a subscription; an operator approves it with the contract's reference",
		}
	}
	return nil
}

// RevokeCredential ends a credential: no token for it any more, and those it got
// are refused everywhere within a second. One in use needs Anyway.
func (m *Market) RevokeCredential(ctx context.Context, by Actor, cred id.Credential, guard Guard) (c Credential, err error) {
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if c, err = tx.Credential(cred); err != nil {
			return err
		}
		a, err := tx.App(c.App)
		if err != nil {
			return err
		}
		if !c.Revoked.IsZero() {
			return &Error{
				Code: Conflict, Public: "the credential was revoked already, at " + c.Revoked.UTC().Format(time.RFC3339),
				Hint: "nothing is left to do; if the app needs another, make one",
			}
		}
		if err := m.checkUnused(c, guard); err != nil {
			return err
		}
		c.Revoked = m.Now()
		if c.Kind == KeySetURL || c.Kind == CertifiedName { // no keys but names: they may come back
			c.Hash = materialHash(c.App, c.Kind, string(c.ID))
		}
		if err := tx.PutCredential(c); err != nil {
			return err
		}
		return tx.Record(credentialChange("revoke", a, c, nil))
	})
	return c, err
}

// ExpireCredential moves the moment at which a credential stops to authenticate;
// zero: never. Tokens that it got until then live on. A moment that has come
// already needs Anyway for one in use.
func (m *Market) ExpireCredential(ctx context.Context, by Actor, cred id.Credential, at time.Time, guard Guard) (c Credential, err error) {
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		if c, err = tx.Credential(cred); err != nil {
			return err
		}
		a, err := tx.App(c.App)
		if err != nil {
			return err
		}
		if !c.Revoked.IsZero() {
			return &Error{Code: Conflict, Public: "the credential is revoked: it cannot come back", Hint: "make a new one"}
		}
		if !at.IsZero() && !at.After(m.Now()) {
			if err := m.checkUnused(c, guard); err != nil {
				return err
			}
		}
		c.Expires, c.Warned = at, 0
		if err := tx.PutCredential(c); err != nil {
			return err
		}
		return tx.Record(credentialChange("expire", a, c, map[string]any{"expires": at}))
	})
	return c, err
}

func credentialChange(action string, a App, c Credential, detail map[string]any) Change {
	return Change{
		Action: action, Kind: KindCredential, ID: string(c.ID), Org: a.Org, Detail: detail,
		Feed: KindApp, FeedKey: string(a.ID),
	}
}
