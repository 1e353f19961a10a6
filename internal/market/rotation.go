package market

import (
	"context"
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/secret"
)

// Guard says what becomes of a wish to end what is in use.
type Guard bool

// The guards.
const (
	IfUnused Guard = false // refuse it
	Anyway   Guard = true  // do it
)

// The spans of a secret's life.
const (
	// InUse is for how long after its last use a credential counts as in use: a
	// client that fetches a token for each day's work is covered.
	InUse = 24 * time.Hour
	// DefaultOverlap is how long a secret that was rotated goes on working.
	DefaultOverlap = 24 * time.Hour
	maxOverlap     = 366 * 24 * time.Hour
)

// checkUnused refuses to end a credential that was used a short while ago. Uses
// that other nodes have not written yet, those of the last 5 seconds, are missed.
func (m *Market) checkUnused(c Credential, guard Guard) error {
	if guard == Anyway || !c.Revoked.IsZero() {
		return nil
	}
	at, from := c.LastUsed, c.LastUsedFrom
	if m.Uses != nil {
		if newer, network := m.Uses.LastUse(c.ID); newer.After(at) {
			at, from = newer, network
		}
	}
	if at.IsZero() || m.Now().Sub(at) >= InUse {
		return nil
	}
	text := "in use: last used at " + at.UTC().Format(time.RFC3339)
	if from != "" {
		text += " from network " + from
	}
	return &Error{
		Code: Conflict, Field: "force", Public: text + ", by " + c.name(),
		Hint: "rotate it, so that the old one works until its users have the new one; or say force, and it ends now",
	}
}

// name is how people know a credential.
func (c Credential) name() string {
	if c.Label != "" {
		return string(c.ID) + " (" + c.Label + ")"
	}
	return string(c.ID)
}

func (m *Market) checkAppUnused(tx Tx, app id.App, guard Guard) error {
	if guard == Anyway {
		return nil
	}
	all, err := tx.Credentials(app)
	if err != nil {
		return err
	}
	for _, c := range all {
		if err := m.checkUnused(c, guard); err != nil {
			return err
		}
	}
	return nil
}

// CredentialsOf lists an app's credentials, oldest first.
func (m *Market) CredentialsOf(ctx context.Context, app id.App) (all []Credential, err error) {
	err = m.Store.View(ctx, func(r Reader) error {
		all, err = r.Credentials(app)
		return err
	})
	return all, err
}

// Rotation is the wish for a secret in the place of another.
type Rotation struct {
	Credential id.Credential
	Label      string        // of the new one; empty: the old one's
	Expires    time.Time     // of the new one; zero: never, or the latest that a client may wish
	Overlap    time.Duration // for how long the old one goes on working
	Guard      Guard         // of the old one, if it has no overlap
	// Proof is the credential by which the client that wishes it authenticated;
	// empty: an operator wishes it.
	Proof id.Credential
	// Unused is how many secrets that were never used the app may have already;
	// 0: any number. It bounds a client that loses every answer.
	Unused int
}

// Rotated is what a rotation left.
type Rotated struct {
	App      App
	Old, New Credential
	Text     secret.String // of the new one: the only time that it is shown
}

// RotateCredential makes a secret in the place of another, which goes on working
// for the overlap, and never longer than it would have. Both are one change, and
// each one's record names the other. Repeated, it makes another secret and leaves
// the old one's end where it is.
func (m *Market) RotateCredential(ctx context.Context, by Actor, in Rotation) (r Rotated, err error) {
	if in.Overlap < 0 || in.Overlap > maxOverlap {
		return r, Invalid("overlap_seconds", "must be from 0 to %d seconds", maxOverlap/time.Second)
	}
	err = m.Store.Update(ctx, by, func(tx Tx) error {
		r, err = m.rotate(tx, by, in)
		return err
	})
	return r, err
}

func (m *Market) rotate(tx Tx, by Actor, in Rotation) (r Rotated, err error) {
	now := m.Now()
	if r.Old, err = tx.Credential(in.Credential); err != nil {
		return r, err
	}
	if r.App, err = tx.App(r.Old.App); err != nil {
		return r, err
	}
	rules, err := m.environment(r.App.Environment)
	if err != nil {
		return r, err
	}
	if err := m.clientMayRotate(tx, r.App, in); err != nil {
		return r, err
	}
	if err := m.mayRotate(tx, r.Old, in); err != nil {
		return r, err
	}
	if err := m.mayHaveCredential(tx, r.App, rules); err != nil {
		return r, err
	}
	if in.Label == "" {
		in.Label = r.Old.Label
	}
	if err := checkNote("label", in.Label); err != nil {
		return r, err
	}
	if !in.Expires.IsZero() && !in.Expires.After(now) {
		return r, Invalid("expires", "has passed already")
	}
	if in.Expires, err = m.endOf(tx, r.Old, rules, in); err != nil {
		return r, err
	}
	text, hint := NewSecret(rules.SecretPrefix)
	r.Text = text
	r.New = Credential{
		ID: id.NewCredential(), App: r.App.ID, Kind: ClientSecret, Label: in.Label, Hint: hint, Hash: m.Hasher.Hash(text.Reveal()),
		Created: now, CreatedBy: by.Kind + " " + by.ID, Replaces: r.Old.ID, Expires: in.Expires,
	}
	if end := now.Add(in.Overlap); r.Old.Expires.IsZero() || end.Before(r.Old.Expires) {
		r.Old.Expires = end
	}
	if err := tx.PutCredential(r.New); err != nil {
		return r, err
	}
	if err := tx.PutCredential(r.Old); err != nil {
		return r, err
	}
	err = tx.Record(credentialChange("create", r.App, r.New, map[string]any{"kind": r.New.Kind, "label": r.New.Label, "hint": r.New.Hint, "replaces": r.Old.ID}))
	if err != nil {
		return r, err
	}
	return r, tx.Record(credentialChange("rotate", r.App, r.Old, map[string]any{"successor": r.New.ID, "expires": r.Old.Expires.UTC()}))
}

// clientMayRotate holds a client's wish to what it authenticated by, as the store has it.
// A secret that was replaced works until its overlap ends, and so it does for
// whoever it leaked to. The one thing that it may do is ask again for an answer
// that was lost: not once its successor is in use, not where an operator made that,
// and nothing about another secret.
func (m *Market) clientMayRotate(tx Tx, a App, in Rotation) error {
	if in.Proof == "" {
		return nil
	}
	all, err := tx.Credentials(a.ID)
	if err != nil {
		return err
	}
	live := false
	for _, c := range all {
		switch {
		case c.ID == in.Proof:
			live = c.Live(m.Now())
		case c.Replaces != in.Proof:
		case c.CreatedBy != "app "+string(a.ID), in.Credential != in.Proof, !m.lastUse(c).IsZero():
			return &Error{
				Code: Conflict, Public: "the secret that this was asked for with has a successor, " + c.name() + ", which is in use or not its own to replace",
				Hint: "authenticate by the successor; if nobody here has that, the secret was known to others: have an operator revoke both",
			}
		}
	}
	if !live || a.State != AppActive {
		return &Error{Code: Conflict, Public: "what the client authenticated by has ended meanwhile", Hint: "ask an operator for a new secret"}
	}
	return nil
}

// endOf is when the new secret ends. An operator's wish is not bounded. A client's is,
// by what operators granted: its secret lives no longer than the one that it replaces
// was made for, than what the client authenticated by was made for, and than the
// environment allows (ADR 0029). Who names no end gets the latest.
func (m *Market) endOf(tx Tx, old Credential, rules EnvironmentRules, in Rotation) (time.Time, error) {
	if in.Proof == "" {
		return in.Expires, nil
	}
	all, err := tx.Credentials(old.App)
	if err != nil {
		return in.Expires, err
	}
	term, whose := rules.SecretLifetime, "a secret that a client makes here may live"
	shorter := func(other time.Duration, text string) {
		if other > 0 && (term == 0 || other < term) {
			term, whose = other, text
		}
	}
	shorter(termOf(old, all), "the secret that is replaced was made for")
	for _, c := range all {
		if c.ID == in.Proof && c.ID != old.ID {
			shorter(termOf(c, all), "what this was asked for with was made for")
		}
	}
	if term == 0 {
		return in.Expires, nil
	}
	latest := m.Now().Add(term).UTC().Truncate(time.Millisecond)
	switch {
	case in.Expires.IsZero():
		return latest, nil
	case in.Expires.After(latest):
		return in.Expires, &Error{
			Code: InvalidInput, Field: "expires",
			Public: "must be " + latest.Format(time.RFC3339) + " at the latest: " + whose + " " + days(term),
			Hint:   "leave it out to get the latest; an operator can make one that lives longer",
		}
	}
	return in.Expires, nil
}

// termOf is for how long a credential was made, from its creation to its end; zero: for
// ever. Once it was rotated its end is that of the overlap: then the successors that
// its client got tell, since none got more.
func termOf(c Credential, all []Credential) time.Duration {
	if c.Expires.IsZero() {
		return 0
	}
	term := c.Expires.Sub(c.Created)
	for _, next := range all {
		if next.Replaces != c.ID || next.CreatedBy != "app "+string(c.App) {
			continue
		}
		if next.Expires.IsZero() {
			return 0
		}
		term = max(term, next.Expires.Sub(next.Created))
	}
	return term
}

// days writes a span in days, if it is that long.
func days(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day {
		return strconv.Itoa(int(d/day)) + " days"
	}
	return d.Truncate(time.Second).String()
}

// lastUse is when a credential was used last, as far as this node knows; zero: never.
func (m *Market) lastUse(c Credential) time.Time {
	if m.Uses != nil {
		if newer, _ := m.Uses.LastUse(c.ID); newer.After(c.LastUsed) {
			return newer
		}
	}
	return c.LastUsed
}

// mayRotate refuses to rotate what is no secret, or ended, or in use without an
// overlap.
func (m *Market) mayRotate(tx Tx, old Credential, in Rotation) error {
	switch {
	case old.Kind != ClientSecret && old.Kind != ImportedSecret:
		return &Error{Code: Conflict, Public: "only a secret can be rotated: keys and certificates are the client's to make", Hint: "add the new one, and let this one expire"}
	case !old.Revoked.IsZero():
		return &Error{Code: Conflict, Public: "the secret is revoked: there is nothing to overlap with", Hint: "make a new one"}
	case !old.Live(m.Now()):
		return &Error{Code: Conflict, Public: "the secret has expired: there is nothing to overlap with", Hint: "make a new one"}
	}
	if in.Overlap == 0 {
		if err := m.checkUnused(old, in.Guard); err != nil {
			return err
		}
	}
	if in.Unused == 0 {
		return nil
	}
	all, err := tx.Credentials(old.App)
	if err != nil {
		return err
	}
	unused := 0
	for _, c := range all {
		if c.Live(m.Now()) && c.LastUsed.IsZero() && c.Replaces != "" {
			unused++
		}
	}
	if unused >= in.Unused {
		return &Error{
			Code: Conflict, Public: "the app has too many secrets that were made by rotation and never used",
			Hint: "use one of them, or have an operator revoke those whose answers were lost",
		}
	}
	return nil
}
