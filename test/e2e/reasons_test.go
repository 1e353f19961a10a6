package e2e_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/demo"
)

// Whoever was refused asks later, and perhaps another process: each reason is in the
// store, with what it is about.
func TestARefusalIsExplainedAfterARestart(t *testing.T) {
	data := t.TempDir()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	old := startWith(t, demo.Options{Data: data, Now: now})
	m := old.operator()
	e := old.Environments["sandbox"]
	app := old.app(m, e.ClientID)
	made, err := m.CreateCredential(t.Context(), app.ID, api.NewCredential{Label: "nightly"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.RevokeCredential(t.Context(), made.ID, api.CredentialRevocation{}); err != nil {
		t.Fatal(err)
	}
	revoked := *e
	revoked.ClientSecret = made.ClientSecret.Reveal()
	late := old.token(e)
	good := []string{"client_id", e.ClientID, "client_secret", e.ClientSecret}
	tokenURL := e.URL + "/oauth2/token"
	claim := e.api(t, "claim-status")
	claim.URL = strings.TrimSuffix(claim.URL, "/") + "/12-34-56" // of a path that is no route, what may be about a person is not kept
	type reason struct {
		Code, Reason, Parameter, Label, Hint, Path string
		Skew                                       int64
	}
	tests := []struct {
		name   string
		refuse func() answer
		want   reason
		proven bool
	}{
		{
			"2.9 a secret that was revoked", func() answer { return old.grant(&revoked, tokenURL) },
			reason{Code: "invalid_client", Reason: `the secret "nightly" (` + made.Hint + `) was revoked`, Label: "nightly", Hint: made.Hint, Path: "/oauth2/token"},
			true,
		},
		{
			"2.9 no grant_type", func() answer { return old.form(tokenURL, good...) },
			reason{Code: "invalid_request", Reason: "The parameter grant_type is missing. Send grant_type=client_credentials", Parameter: "grant_type", Path: "/oauth2/token"},
			false,
		},
		{"2.9 a parameter twice", func() answer {
			return old.form(tokenURL, append([]string{"grant_type", "client_credentials", "scope", "a", "scope", "b"}, good...)...)
		}, reason{Code: "invalid_request", Reason: "A parameter is sent more than once", Parameter: "scope", Path: "/oauth2/token"}, false},
		{"2.9 another's scope", func() answer {
			return old.form(tokenURL, append([]string{"grant_type", "client_credentials", "scope", "openid"}, good...)...)
		}, reason{Code: "invalid_scope", Reason: `no product is called "openid", the case of letters counts; the app's products here are MN_Product_ClaimStatus_v2, MN_Product_Eligibility_v3, PN_Product_PharmacyClaims_v1`, Parameter: "scope", Path: "/oauth2/token"}, true},
		{
			"4.2 no such route", func() answer { return old.call(claim, "", nil) },
			reason{Code: "not_found", Reason: "Claim Status has no operation at this path. Compare the URL, its host included, with " + old.Portal + "/apis/claim-status-v2", Path: strings.TrimPrefix(strings.TrimSuffix(e.api(t, "claim-status").URL, "/"), e.URL) + "/*"},
			false,
		},
		{"4.1 a token two hours old", func() answer {
			ahead.Store(int64(2 * time.Hour))
			var a answer
			eventually(t, "the node has read the feed since", func() bool {
				a = old.call(e.api(t, "eligibility"), late, nil)
				return a.status != http.StatusServiceUnavailable
			})
			return a
		}, reason{Code: "access_token_expired", Reason: "the token expired 1h0m0s ago", Skew: 3600, Path: strings.TrimPrefix(e.api(t, "eligibility").URL, e.URL)}, true},
	}
	traces := make([]string, len(tests))
	for i, tt := range tests {
		a := tt.refuse()
		traces[i] = a.header.Get("X-Trace-Id")
		if a.json(t)["error"] != tt.want.Code {
			t.Fatalf("%s: %d %s", tt.name, a.status, a.body)
		}
	}
	check := func(t *testing.T, s *site) {
		for i, tt := range tests {
			r, err := s.operator().Refusal(t.Context(), traces[i])
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			if tt.want.Skew != 0 { // seconds pass
				if r.SkewSeconds < tt.want.Skew || r.SkewSeconds > tt.want.Skew+60 {
					t.Errorf("%s: off by %d s", tt.name, r.SkewSeconds)
				}
				tt.want.Skew, tt.want.Reason = r.SkewSeconds, r.Reason
			}
			got := reason{r.Code, r.Reason, r.Parameter, r.Label, r.Hint, r.Path, r.SkewSeconds}
			if !tt.proven { // some other fields tell the secret that was sent
				got.Label, got.Hint = "", ""
			} else if tt.want.Label == "" {
				if r.Credential == "" || r.Hint == "" {
					t.Errorf("%s: which secret is not told: %+v", tt.name, r)
				}
				got.Label, got.Hint = "", ""
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tt.name, diff)
			}
			if r.Next == "" || r.Environment != "sandbox" || tt.want.Code != "not_found" && (r.Org != app.Org || r.App != app.ID) {
				t.Errorf("%s: %+v", tt.name, r)
			}
		}
	}
	t.Run("before", func(t *testing.T) { check(t, old) })
	old.client.CloseIdleConnections()
	if err := old.stop(); err != nil {
		t.Fatal(err)
	}
	s := startIn(t, data) // whose certificates are of the real time
	t.Run("after", func(t *testing.T) { check(t, s) })
	t.Run("and listed, the newest first", func(t *testing.T) {
		page, err := s.operator().Refusals(t.Context(), api.RefusalFilter{Org: app.Org, Page: api.Page{Limit: 3}})
		if err != nil || len(page.Items) != 3 || page.Next == "" || page.Items[0].TraceID != traces[5] || page.Items[1].TraceID != traces[3] {
			t.Errorf("got %+v, %v", page, err)
		}
		for _, r := range page.Items {
			if r.Org != app.Org {
				t.Errorf("another organization's: %+v", r)
			}
		}
	})
}

// 2.8: who fetches a token for every call is seen, and told; who keeps one is not.
func TestAClientThatFetchesATokenForEveryCallIsSeen(t *testing.T) {
	s := start(t)
	m := s.operator()
	e := s.Environments["sandbox"]
	chatty := *e
	chatty.ClientID, chatty.ClientSecret = e.Newcomer.ClientID, e.Newcomer.ClientSecret
	call, mocked := e.api(t, "eligibility"), map[string]string{"environment": "sandbox"}
	const calls = 20
	kept := s.token(e)
	for range calls {
		a := s.grant(&chatty, e.TokenURLs["v2"]) // which gives the same one again: it is asked for, all the same
		fetched, _ := a.json(t)["access_token"].(string)
		for _, token := range []string{kept, fetched} {
			if a := s.call(call, token, mocked); a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.body)
			}
		}
	}
	worst, good := s.app(m, chatty.ClientID), s.app(m, e.ClientID)
	var found []api.TokenUsage
	for deadline := time.Now().Add(30 * time.Second); len(found) < 2 || found[0].Calls < calls || found[1].Calls < calls; time.Sleep(50 * time.Millisecond) {
		page, err := m.TokenUsage(t.Context(), api.TokenUsageFilter{UsageFilter: api.UsageFilter{Environment: "sandbox", To: time.Now().Add(time.Hour)}})
		if err != nil {
			t.Fatal(err)
		}
		if found = page.Items; time.Now().After(deadline) {
			t.Fatalf("not counted within half a minute: %+v", found)
		}
	}
	if first := found[0]; first.App != worst.ID || first.Signed+first.Again != calls || first.Again == 0 || *first.TokensPerCall != 1 || !strings.Contains(first.Advice, "fetch one token") {
		t.Errorf("the worst is %+v", first)
	}
	if second := found[1]; second.App != good.ID || second.Signed != 1 || second.Calls != calls || second.Advice != "" {
		t.Errorf("who keeps its token is %+v", second)
	}
}

// What a customer's developer is told: which of the things sent is meant, what it was, and
// what to send.
func TestATokenRequestThatIsRefusedIsExplainedInItsOwnWords(t *testing.T) {
	var ahead clock
	s := startWith(t, demo.Options{Data: t.TempDir(), Now: ahead.Now})
	e := s.Environments["sandbox"]
	target := e.URL + "/oauth2/token"
	good := []string{"client_id", e.ClientID, "client_secret", e.ClientSecret}
	grant := append([]string{"grant_type", "client_credentials"}, good...)
	made, ending := s.made(e, api.NewCredential{Label: "nightly", Expires: time.Now().Add(time.Hour)})
	header := func(authorization string) answer {
		return s.do("POST", target, map[string]string{"Content-Type": formType, "Authorization": authorization}, "grant_type=client_credentials")
	}
	encoded := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	for name, tt := range map[string]struct {
		ask                 func() answer
		reason, parameter   string
		next                string
		leastSkew, mostSkew int64
		credential          string
	}{
		"another grant":            {ask: func() answer { return s.form(target, append([]string{"grant_type", "password"}, good...)...) }, reason: `the grant_type is "password"`, parameter: "grant_type", next: "client_credentials"},
		"no such product":          {ask: func() answer { return s.form(target, append(grant, "scope", "openid")...) }, reason: `no product is called "openid"`, parameter: "scope", next: "leave scope out"},
		"no such resource":         {ask: func() answer { return s.form(target, append(grant, "resource", "https://x.example/a?b=c")...) }, reason: `no API of sandbox is at "https://x.example/a"`, parameter: "resource", next: "protected_resources"},
		"no such client":           {ask: func() answer { return s.form(target, append([]string{"client_id", "nobody"}, grant[:2]...)...) }, reason: "neither a secret", parameter: "client_secret", next: "there is no such client_id"},
		"a Bearer header":          {ask: func() answer { return header("Bearer x") }, reason: "not one of the scheme Basic", parameter: "Authorization", next: "base64 of client_id:client_secret"},
		"a header that is no text": {ask: func() answer { return header("Basic !!!") }, reason: "not base64", parameter: "Authorization", next: "in the body"},
		"a header without a colon": {ask: func() answer { return header(encoded(e.ClientID)) }, reason: "no colon", parameter: "Authorization", next: "form-encoded"},
		"a percent sign as it is":  {ask: func() answer { return header(encoded(e.ClientID + ":a%b")) }, reason: "a percent sign begins no escape", parameter: "Authorization", next: "form-encoded"},
		"a line end at the end":    {ask: func() answer { return header(encoded(e.ClientID + ":" + e.ClientSecret + "\n")) }, reason: "a line end behind the secret", parameter: "Authorization", next: "form-encoded"},
		"an expired secret": {ask: func() answer {
			ahead.forward(2 * time.Hour)
			var a answer
			eventually(t, "the node has read the feed since", func() bool {
				a = s.grant(ending, target)
				return a.status == http.StatusUnauthorized
			})
			ahead.forward(-2 * time.Hour)
			return a
		}, reason: `the secret "nightly" (` + made.Hint + `) has expired, at ` + made.Expires.UTC().Format("2006-01-02T15"), next: "make a new one", leastSkew: 3590, mostSkew: 3700, credential: made.ID},
	} {
		t.Run("2.9 "+name, func(t *testing.T) {
			a := tt.ask()
			if a.status < 400 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			r := s.reason(t, a)
			if !strings.Contains(r.Reason, tt.reason) || r.Parameter != tt.parameter || !strings.Contains(r.Next, tt.next) || r.Environment != "sandbox" {
				t.Errorf("it says %q, about %q; next: %q", r.Reason, r.Parameter, r.Next)
			}
			if r.SkewSeconds < tt.leastSkew || r.SkewSeconds > tt.mostSkew || tt.credential != "" && r.Credential != tt.credential {
				t.Errorf("off by %d s, credential %q", r.SkewSeconds, r.Credential)
			}
			if strings.Contains(string(a.body), r.Reason) {
				t.Errorf("the wire says it too: %s", a.body)
			}
		})
	}
}
