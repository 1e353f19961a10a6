package authserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/oauth"
)

// Credentials is what lets clients look after their own secrets.
type Credentials interface {
	// CredentialsOf lists an app's credentials, oldest first.
	CredentialsOf(ctx context.Context, app id.App) ([]market.Credential, error)
	// RotateCredential is durable, and known to this node, when it returns.
	RotateCredential(ctx context.Context, by market.Actor, in market.Rotation) (market.Rotated, error)
}

// maxUnused is how many secrets that it never used a client may make by rotation:
// as many answers as it may lose.
const maxUnused = 10

// rotationForm is what a client says about a rotation, as it was sent.
type rotationForm struct {
	credential, label, expires, overlap, force string
}

func (f *rotationForm) put(name, value string) {
	switch name {
	case "credential":
		f.credential = value
	case "label":
		f.label = value
	case "expires":
		f.expires = value
	case "overlap_seconds":
		f.overlap = value
	case "force":
		f.force = value
	}
}

// wish reads the form.
func (f *rotationForm) wish(c caller) (in market.Rotation, err error) {
	in = market.Rotation{Credential: c.Credential.ID, Proof: c.Credential.ID, Label: f.label, Overlap: market.DefaultOverlap, Unused: maxUnused}
	if f.credential != "" {
		in.Credential = id.Credential(f.credential)
	} else if c.Credential.Kind != market.ClientSecret && c.Credential.Kind != market.ImportedSecret {
		return in, invalidRequest("Name the secret to rotate, by its id, in the parameter credential").about("credential")
	}
	if f.expires != "" {
		at, err := time.Parse(time.RFC3339, f.expires)
		if err != nil || at.Year() < 1970 || at.Year() > 9000 {
			return in, invalidRequest("The parameter expires is a time such as 2030-01-31T00:00:00Z").about("expires")
		}
		in.Expires = at.UTC().Truncate(time.Millisecond)
	}
	if f.overlap != "" {
		seconds, err := strconv.ParseInt(f.overlap, 10, 32)
		if err != nil || seconds < 0 {
			return in, invalidRequest("The parameter overlap_seconds is a whole number").about("overlap_seconds")
		}
		in.Overlap = time.Duration(seconds) * time.Second
	}
	switch f.force {
	case "", "false":
	case "true":
		in.Guard = market.Anyway
	default:
		return in, invalidRequest("The parameter force is true or false").about("force")
	}
	return in, nil
}

// ownRequest reads a request of a client about its own credentials, and finds out
// which client it is.
func (s *Server) ownRequest(w http.ResponseWriter, r *http.Request) (*request, caller, error) {
	if s.Credentials == nil {
		return nil, caller{}, &refusal{status: http.StatusNotFound, code: oauth.InvalidRequest, say: "Clients do not look after their own secrets here. Ask an operator"}
	}
	var q *request
	var err error
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		q, err = readHeader(r)
	} else {
		q, err = read(w, r, Endpoint{Dialect: RFC, rotates: true})
	}
	if err != nil {
		return nil, caller{}, s.attributed(err, q)
	}
	q.demand = &s.demands.credentials
	c, err := s.authenticate(r, q)
	if err != nil {
		var ref *refusal
		if errors.As(err, &ref) && r.Method != http.MethodPost {
			ref.basic = true // there is no other way but the header, and the connection
		}
		return nil, caller{}, s.attributed(err, q)
	}
	if err := s.withinLimit(q, c.Client); err != nil {
		return nil, caller{}, err
	}
	if ref := s.mayHaveTokens(c.Client); ref != nil {
		return nil, caller{}, ref
	}
	return q, c, nil
}

// listOwn tells a client what it may authenticate by, never a secret or a hash
// (CONTRACT 6.6).
func (s *Server) listOwn(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost {
		return &refusal{status: http.StatusMethodNotAllowed, code: oauth.InvalidRequest, say: "Use GET or POST here", allow: "GET, HEAD, POST"}
	}
	_, c, err := s.ownRequest(w, r)
	if err != nil {
		return err
	}
	all, err := s.Credentials.CredentialsOf(r.Context(), c.App.ID)
	if err != nil {
		return owned(err, refer(c.Client))
	}
	out := api.List[api.Credential]{Items: make([]api.Credential, len(all))}
	for i, cred := range all {
		if at, from := s.Meter.LastUse(cred.ID); at.After(cred.LastUsed) {
			cred.LastUsed, cred.LastUsedFrom = at, from
		}
		out.Items[i] = s.shown(cred)
	}
	noStore(w.Header())
	httpx.WriteJSON(w, http.StatusOK, out)
	return nil
}

// rotateOwn gives a client a secret in the place of its own (CONTRACT 6.6). The
// old one goes on working, so that a lost answer is only asked for again.
func (s *Server) rotateOwn(w http.ResponseWriter, r *http.Request) error {
	if err := onlyPost(r); err != nil {
		return err
	}
	q, c, err := s.ownRequest(w, r)
	if err != nil {
		return err
	}
	in, err := q.rotation.wish(c)
	if err != nil {
		return owned(err, refer(c.Client))
	}
	if in.Credential != c.Credential.ID && !c.App.Has(in.Credential) {
		return owned(invalidRequest("The client has no credential with that id").about("credential"), refer(c.Client))
	}
	by := market.Actor{Kind: "app", ID: string(c.App.ID), From: httpx.RemoteAddr(r).String()}
	rotated, err := s.Credentials.RotateCredential(r.Context(), by, in)
	if err != nil {
		return owned(asRefusal(err), refer(c.Client))
	}
	httpx.Note(r.Context(), slog.String("org_id", string(c.Org.ID)), slog.String("app_id", string(c.App.ID)),
		slog.String("credential_id", string(c.Credential.ID)), slog.String("new_credential_id", string(rotated.New.ID)))
	noStore(w.Header())
	httpx.WriteJSON(w, http.StatusOK, api.RotatedCredential{
		CreatedCredential: api.CreatedCredential{
			Credential: s.shown(rotated.New), ClientID: c.App.ClientID, ClientSecret: api.NewSecret(rotated.Text.Reveal()),
		},
		OldExpires: rotated.Old.Expires.UTC(),
	})
	return nil
}

// shown is what a client sees of a credential.
func (s *Server) shown(c market.Credential) api.Credential {
	return api.Credential{
		ID: string(c.ID), App: string(c.App), Kind: string(c.Kind), Label: c.Label, Hint: c.Hint, Thumbprint: c.Thumbprint(),
		Live: c.Live(s.Now()), Created: c.Created.UTC(), CreatedBy: c.CreatedBy, Replaces: string(c.Replaces), Expires: c.Expires.UTC(),
		Revoked: c.Revoked.UTC(), LastUsed: c.LastUsed.UTC(), LastUsedFrom: c.LastUsedFrom,
	}
}

// asRefusal is what the market refuses, in the words of OAuth.
func asRefusal(err error) error {
	var refused *market.Error
	if !errors.As(err, &refused) || refused.Code == market.Unavailable {
		return err
	}
	say := refused.Public
	if refused.Field != "" {
		say = refused.Field + ": " + say
	}
	if refused.Hint != "" {
		say += ". " + strings.ToUpper(refused.Hint[:1]) + refused.Hint[1:]
	}
	say = strings.Map(func(c rune) rune { // RFC 6749 §5.2
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return '?'
		}
		return c
	}, say)
	return invalidRequest(say).about(refused.Field)
}
