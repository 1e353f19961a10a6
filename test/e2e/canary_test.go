package e2e_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
)

// canaries is what must be found nowhere: by text, what it is.
type canaries map[string]string

// token adds an access token: whole, its signature, and the handle in it.
func (c canaries) token(t *testing.T, what, text string) {
	t.Helper()
	parts := strings.Split(text, ".")
	_, payload := claims(t, text)
	handle, _ := payload["access_token"].(string)
	if len(handle) != 28 {
		t.Fatalf("%s has no handle", what)
	}
	c[text], c[parts[1]], c[parts[2]], c[handle] = what, what+", its payload", what+", its signature", what+", its handle"
}

// secret adds a client's secret: alone, and as Basic sends it.
func (c canaries) secret(what, clientID, text string) {
	c[text] = what
	if clientID != "" {
		c[base64.StdEncoding.EncodeToString([]byte(clientID+":"+text))] = what + ", as Basic sends it"
	}
}

// search looks for canaries in data.
func (c canaries) search(t *testing.T, where string, data []byte) {
	t.Helper()
	for text, what := range c {
		if i := bytes.Index(data, []byte(text)); i >= 0 {
			from, to := max(0, i-160), min(len(data), i+len(text)+40)
			t.Errorf("%s is in %s: …%q…", what, where, bytes.ReplaceAll(data[from:to], []byte(text), []byte("<HERE>")))
		}
	}
}

// searchFolder looks into every file of a folder but the ready file.
func (c canaries) searchFolder(t *testing.T, folder string) (files int) {
	t.Helper()
	err := filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "ready.json" {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		files++
		name, _ := filepath.Rel(folder, file)
		c.search(t, name, data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Every kind of request, good and bad, with secrets where they belong and where
// they do not: none of them is in the log, in what is printed, or on the disk.
func TestNoSecretIsWrittenAnywhere(t *testing.T) {
	data := t.TempDir()
	p := spawn(t, data)
	welcome := p.printed()
	found := canaries{}
	found.secret("the operator token", "", p.Operator.Token)
	for name, e := range p.Environments {
		found.secret(name+"'s client secret", e.ClientID, e.ClientSecret)
		if e.Newcomer.ClientSecret != "" {
			found.secret("the newcomer's client secret", e.Newcomer.ClientID, e.Newcomer.ClientSecret)
		}
	}
	p.exercise(t, found)
	p.nameMembers(found)

	t.Run("in the metrics", func(t *testing.T) {
		text, err := p.operator().Metrics(t.Context())
		if err != nil || !strings.Contains(text, "sallyport_tokens_total") {
			t.Errorf("%v %s", err, text)
		}
		found.search(t, "the metrics", []byte(text))
	})
	t.Run("with the program running, its WAL included", func(t *testing.T) {
		if files := found.searchFolder(t, data); files < 5 {
			t.Errorf("only %d files were searched", files)
		}
		log, err := os.ReadFile(p.Log)
		if err != nil || bytes.Count(log, []byte("\n")) < 100 {
			t.Errorf("the log is too short to have been tested: %d lines, %v", bytes.Count(log, []byte("\n")), err)
		}
		wal, err := os.Stat(filepath.Join(data, "sallyport.db-wal"))
		if err != nil || wal.Size() == 0 {
			t.Errorf("there is no WAL to have been tested: %v", err)
		}
	})
	p.stop()
	t.Run("after the stop", func(t *testing.T) { found.searchFolder(t, data) })
	t.Run("in what it printed after its welcome", func(t *testing.T) {
		found.search(t, "standard output or error", []byte(strings.TrimPrefix(p.printed(), welcome)))
	})
	t.Run("files are their owner's alone, but for the CA's certificate", func(t *testing.T) {
		err := filepath.WalkDir(data, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || file == data {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			if mode := info.Mode().Perm(); mode&0o077 != 0 && entry.Name() != "ca.pem" {
				t.Errorf("%s has mode %o", entry.Name(), mode)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// exercise makes the requests, and adds every secret that it comes by.
func (p *process) exercise(t *testing.T, found canaries) {
	t.Helper()
	t.Run("management", func(t *testing.T) { p.exerciseManagement(t, found) })
	for name, e := range p.Environments {
		token := p.token(e)
		found.token(t, name+"'s access token", token)
		for _, dialect := range []string{"v1", "v2", "v3"} {
			text, _ := p.grant(e, e.TokenURLs[dialect]).json(t)["access_token"].(string)
			found.token(t, name+"'s access token of "+dialect, text)
			for _, c := range e.Calls {
				p.call(c, text, nil)
			}
		}
		p.exerciseProofs(t, e, found)
		p.misplaceSecrets(t, e)
		p.misplaceToken(t, e, token)
	}
}

func (p *process) exerciseManagement(t *testing.T, found canaries) {
	ctx := t.Context()
	m := p.operator()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	e := p.Environments["sandbox"]
	app := p.app(m, e.ClientID)
	made, err := m.CreateCredential(ctx, app.ID, api.NewCredential{Label: "canary"})
	must(err)
	found.secret("a created client secret", made.ClientID, made.ClientSecret.Reveal())
	operator, err := m.CreateOperatorToken(ctx, api.NewOperatorToken{Label: "canary", Expires: time.Now().Add(time.Hour)})
	must(err)
	found.secret("a created operator token", "", operator.Token.Reveal())
	second := *e
	second.ClientSecret = made.ClientSecret.Reveal()
	eventually(t, "the created secret works", func() bool { return p.grant(&second, e.URL+"/oauth2/token").status == 200 })
	token := p.token(&second)
	found.token(t, "an access token of a created secret", token)
	p.call(e.api(t, "eligibility"), token, nil)
	auth := []string{"client_id", e.ClientID, "client_secret", e.ClientSecret}
	p.form(e.URL+"/oauth2/introspect", append(auth, "token", token)...)
	p.form(e.URL+"/oauth2/revoke", append(auth, "token", token)...)
	p.form(e.URL+"/oauth2/revoke", append(auth, "token", made.ClientSecret.Reveal())...)
	_, err = m.RevokeCredential(ctx, made.ID, api.CredentialRevocation{Force: true})
	must(err)
	_, err = m.RevokeOperatorToken(ctx, operator.ID)
	must(err)
	p.grant(&second, e.URL+"/oauth2/token")
	// Refused ones.
	bearer := map[string]string{"Authorization": "Bearer " + operator.Token.Reveal(), "Content-Type": "application/json"}
	p.do("GET", p.Operator.URL+"/v1/status", bearer, "")
	p.do("GET", p.Operator.URL+"/v1/status?access_token="+p.Operator.Token, nil, "")
	p.do("POST", p.Operator.URL+"/v1/organizations", map[string]string{"Authorization": "Bearer " + p.Operator.Token, "Content-Type": "application/json"},
		fmt.Sprintf(`{"name":%q,"secret":%q}`, "x", e.ClientSecret))
	p.do("GET", p.Portal+"/?token="+p.Operator.Token, map[string]string{"Cookie": "s=" + p.Operator.Token}, "")
}

// exerciseProofs authenticates by assertions and binds tokens by proofs, good and bad
// ones, and where they do not belong. Neither is of use twice, and neither is written.
func (p *process) exerciseProofs(t *testing.T, e *environment, found canaries) {
	t.Helper()
	target, c := e.URL+"/oauth2/token", e.api(t, "eligibility")
	key := keyOf(t, "ES256")
	p.addKey(t, e, api.NewCredential{PublicKey: publicPEM(t, key)})
	signed := func(what string, changes map[string]any) string {
		text := sign(t, key, "ES256", nil, asserting(e, changes))
		parts := strings.Split(text, ".")
		found[text], found[parts[1]], found[parts[2]] = what, what+", its payload", what+", its signature"
		return text
	}
	good := signed("an assertion", nil)
	eventually(t, "the key works", func() bool {
		a := p.assert(target, good)
		if a.status != 200 {
			good = signed("an assertion", nil)
		}
		return a.status == 200
	})
	p.assert(target, good) // again
	for _, changes := range []map[string]any{{"aud": "https://other.example"}, {"exp": time.Now().Add(-time.Hour).Unix()}, {"iss": "x"}, {"jti": nil}} {
		p.assert(target, signed("a bad assertion", changes))
	}
	stray := signed("a stray assertion", nil)
	p.assert(target+"?client_assertion="+stray, "")
	p.form(target, "grant_type", "client_credentials", "client_id", stray, "client_secret", stray)
	p.call(c, stray, map[string]string{"X-Trace-Id": stray, "traceparent": "00-" + stray})
	p.do("GET", e.URL+"/"+stray, nil, "")

	h := newHolder(t)
	token := p.bound(e, h)
	found.token(t, "a bound token", token)
	proof := func(url, token string, change func(header, claims map[string]any)) string {
		text := h.proof(c.Method, url, token, change)
		parts := strings.Split(text, ".")
		found[text], found[parts[1]], found[parts[2]] = "a proof", "a proof, its payload", "a proof, its signature"
		return text
	}
	one := proof(c.URL, token, nil)
	h.take(p.callWith(c, token, one))
	p.callWith(c, token, proof(c.URL, token, nil))
	p.callWith(c, token, one)
	p.callWith(c, token, proof(c.URL+"/other", token, nil))
	p.callWith(c, token, proof(c.URL, "", func(_, claims map[string]any) { claims["ath"] = token }))
	p.call(c, token, map[string]string{"X-Trace-Id": proof(c.URL, token, nil)})
}

// misplaceSecrets sends the client's secret in every wrong way.
func (p *process) misplaceSecrets(t *testing.T, e *environment) {
	t.Helper()
	basic := func(user, password string) map[string]string {
		return map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)), "Content-Type": formType}
	}
	isForm, isJSON := map[string]string{"Content-Type": formType}, map[string]string{"Content-Type": "application/json"}
	grant := "grant_type=client_credentials"
	object := fmt.Sprintf(`{"grant_type":"client_credentials","client_id":%q,"client_secret":%q}`, e.ClientID, e.ClientSecret)
	for _, target := range []string{e.URL + "/oauth2/token", e.TokenURLs["v1"], e.TokenURLs["v2"], e.TokenURLs["v3"], e.URL + "/auth/sntl/v1/token"} {
		for _, r := range []struct {
			method, query string
			header        map[string]string
			body          string
		}{
			{"POST", "?" + grant + "&client_id=" + e.ClientID + "&client_secret=" + e.ClientSecret, isForm, ""},
			{"POST", "?client_secret=" + e.ClientSecret, isForm, grant},
			{"GET", "?" + grant + "&client_id=" + e.ClientID + "&client_secret=" + e.ClientSecret, nil, ""},
			{"POST", "", basic(e.ClientID, e.ClientSecret), grant},
			{"POST", "", basic(e.ClientSecret, e.ClientID), grant},
			{"POST", "", basic(e.ClientSecret, ""), grant},
			{"POST", "", basic(e.ClientID, e.ClientSecret), grant + "&client_secret=" + e.ClientSecret},
			{"POST", "", map[string]string{"Authorization": "Bearer " + e.ClientSecret, "Content-Type": formType}, grant},
			{"POST", "", map[string]string{"Authorization": e.ClientSecret, "Content-Type": formType}, grant},
			{"POST", "", isForm, url.Values{"grant_type": {"client_credentials"}, "client_id": {e.ClientSecret}, "client_secret": {e.ClientID}}.Encode()},
			{"POST", "", isForm, url.Values{"grant_type": {"client_credentials"}, "client_id": {e.ClientID}, "client_secret": {e.ClientSecret + "x"}}.Encode()},
			{"POST", "", isForm, "grant_type=" + e.ClientSecret},
			{"POST", "", isForm, grant + "&scope=" + e.ClientSecret + "&client_id=" + e.ClientID + "&client_secret=" + e.ClientSecret},
			{"POST", "", isForm, grant + "&" + e.ClientSecret + "=1"},
			{"POST", "", isForm, object},
			{"POST", "", isJSON, object},
			{"POST", "", isJSON, object[:len(object)-1]},
			{"POST", "", isJSON, strings.Replace(object, `"grant_type"`, `"`+e.ClientSecret+`"`, 1)},
			{"POST", "", map[string]string{"Content-Type": e.ClientSecret}, grant},
			{"POST", "", map[string]string{"Content-Type": formType, "client_secret": e.ClientSecret, "X-Api-Key": e.ClientSecret, "User-Agent": e.ClientSecret, "Cookie": "c=" + e.ClientSecret}, grant},
			{"POST", "", map[string]string{"Content-Type": formType, "Traceparent": "00-" + e.ClientSecret + "-00f067aa0ba902b7-01"}, grant},
		} {
			p.do(r.method, target+r.query, r.header, r.body)
		}
	}
	c := e.api(t, "eligibility")
	p.call(c, e.ClientSecret, nil)
	p.call(c, "", basic(e.ClientID, e.ClientSecret))
	p.call(c, "", map[string]string{"client_id": e.ClientID, "client_secret": e.ClientSecret})
}

// nameMembers calls about people: by path, query, header and body, at paths that there
// are and at others.
func (p *process) nameMembers(found canaries) {
	const member = "M4711-canary"
	found[member], found["MNOP-smith"] = "a member's id", "a member's name"
	for _, e := range p.Environments {
		token := p.token(e)
		for _, c := range e.Calls {
			for _, path := range []string{"/" + member, "/members/" + member, "?member=" + member, "/members/MNOP-smith?x=" + member} {
				other := c
				other.URL += path
				p.call(other, token, nil)
				p.call(other, "", map[string]string{"X-Member": member, "Cookie": "m=" + member, "User-Agent": member})
				other.Method = "DELETE"
				p.call(other, token, nil)
			}
			p.call(apiCall{Method: c.Method, URL: c.URL, Headers: c.Headers, Body: `{"member":"` + member + `","` + member + `":1}`}, token, nil)
		}
		for _, at := range []string{e.URL, e.URL + "/oauth2/token", e.URL + "/.well-known/oauth-protected-resource", p.Operator.URL, p.Operator.URL + "/v1/apps", p.Portal, p.Portal + "/apis"} {
			p.do("GET", at+"/"+member, map[string]string{"Authorization": "Bearer " + p.Operator.Token}, "")
			p.do("POST", at+"/claims/"+member+"/MNOP-smith", nil, "{}")
		}
	}
}

// misplaceToken sends an access token in every wrong way.
func (p *process) misplaceToken(t *testing.T, e *environment, token string) {
	t.Helper()
	c := e.api(t, "eligibility")
	bearer := "Bearer " + token
	p.call(c, token, nil)
	p.call(c, token[:len(token)-4]+"AAAA", nil)
	p.call(c, "", map[string]string{"IMA-Token": token})
	p.call(c, "", map[string]string{"Authorization": token})
	p.call(c, "", map[string]string{"Authorization": "Basic " + token})
	p.call(c, "", map[string]string{"Cookie": "t=" + token, "X-Access-Token": token, "User-Agent": bearer})
	p.call(c, token, map[string]string{"providerTaxId": token})
	query := c
	query.URL += "?access_token=" + token
	p.call(query, "", nil)
	body := c
	body.Body = strings.Replace(c.Body, `"controlNumber"`, `"`+token+`"`, 1)
	p.call(body, token, nil)
	for _, target := range []string{e.URL + "/oauth2/token", e.TokenURLs["v2"]} {
		p.form(target, "grant_type", "client_credentials", "client_id", e.ClientID, "client_secret", token)
		p.form(target, "grant_type", "client_credentials", "client_id", token, "client_secret", token)
		p.form(target, "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token", token)
		p.do("POST", target, map[string]string{"Authorization": bearer, "Content-Type": formType}, "grant_type=client_credentials")
	}
	p.form(e.URL+"/oauth2/introspect?token="+token, "client_id", e.ClientID, "client_secret", e.ClientSecret)
	p.form(e.URL+"/oauth2/revoke", "client_id", e.ClientID, "client_secret", e.ClientSecret, "token", token)
}

// Two places that are logged by their nature: the path, and the trace id that a
// caller brings.
func TestASecretInThePathOrTheTraceIDIsNotLogged(t *testing.T) {
	s := start(t)
	e := s.Environments["sandbox"]
	c := e.api(t, "eligibility")
	token := s.token(e)
	for _, tt := range []struct {
		what, secret string
		send         func(secret string) answer
	}{
		{"a client secret in the path of a call", e.ClientSecret, func(secret string) answer {
			return s.do("POST", c.URL+secret, c.Headers, c.Body)
		}},
		{"a client secret in the path of a token request", e.ClientSecret, func(secret string) answer {
			return s.form(e.URL+"/oauth2/token/client_secret="+secret, "grant_type", "client_credentials")
		}},
		{"an access token in the path of a call", token, func(secret string) answer {
			return s.do("POST", c.URL+secret, c.Headers, c.Body)
		}},
		{"an operator token in the path of the management API", s.Operator.Token, func(secret string) answer {
			return s.do("GET", s.Operator.URL+"/v1/operator-tokens/"+secret, map[string]string{"Authorization": "Bearer " + secret}, "")
		}},
		{"an operator token in the path of the portal", s.Operator.Token, func(secret string) answer {
			return s.do("GET", s.Portal+"/"+secret, nil, "")
		}},
		{"a client secret as trace id", e.ClientSecret, func(secret string) answer {
			return s.call(c, token, map[string]string{"X-Optum-Trace-Id": secret})
		}},
		{"an operator token as trace id", s.Operator.Token, func(secret string) answer {
			return s.do("GET", s.Operator.URL+"/v1/status", map[string]string{"X-Chng-Trace-Id": secret}, "")
		}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			before, err := os.ReadFile(s.Log)
			if err != nil {
				t.Fatal(err)
			}
			a := tt.send(tt.secret)
			if strings.Contains(fmt.Sprint(a.header), tt.secret) || bytes.Contains(a.body, []byte(tt.secret)) {
				t.Error("it comes back in the answer")
			}
			var log []byte
			eventually(t, "the request is in the log", func() bool {
				log, err = os.ReadFile(s.Log)
				return err == nil && len(log) > len(before)
			})
			if i := bytes.Index(log[len(before):], []byte(tt.secret)); i >= 0 {
				t.Error("it is in the log")
			}
		})
	}
	t.Run("nor remembered with the refusal", func(t *testing.T) {
		kept, err := s.operator().Refusals(t.Context(), api.RefusalFilter{Page: api.Page{Limit: 1000}})
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{e.ClientSecret, token, s.Operator.Token} {
			if strings.Contains(fmt.Sprint(kept), secret) {
				t.Errorf("the refusals show it")
			}
		}
	})
}
