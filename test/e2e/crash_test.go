package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/client"
)

// customer is an organization that a goroutine takes through the steps, and how
// far it came.
type customer struct {
	name          string
	tin           string
	tried, acked  int // steps
	org, app, sub string
	kept, ended   secret
}

type secret struct{ id, text string }

// standing is what there is of a customer.
type standing struct {
	Organization bool
	App          string
	Subscription string
	Kept, Ended  string // "", "live", "revoked"
	TIN          string
	Renamed      bool
}

// step is one management change, the audit record that it leaves, and what is
// different after it.
type step struct {
	record string
	do     func(context.Context, *client.Management, *customer) error
	then   func(*standing)
}

// steps is what every customer goes through, in this order, so that the number
// of changes tells exactly what must be there.
var steps = []step{
	{"create organization", func(ctx context.Context, m *client.Management, c *customer) error {
		made, err := m.CreateOrganization(ctx, api.NewOrganization{Name: c.name})
		c.org = made.ID
		return err
	}, func(s *standing) { s.Organization = true }},
	{"create app", func(ctx context.Context, m *client.Management, c *customer) error {
		made, err := m.CreateApp(ctx, api.NewApp{Org: c.org, Environment: "sandbox", Name: "app", DeveloperEmail: "dev@example.com"})
		c.app = made.ID
		return err
	}, func(s *standing) { s.App = "active" }},
	{"create subscription", func(ctx context.Context, m *client.Management, c *customer) error {
		made, err := m.CreateSubscription(ctx, api.NewSubscription{Org: c.org, Product: "MN_Product_Eligibility_v3"})
		c.sub = made.ID
		return err
	}, func(s *standing) { s.Subscription = "sandbox" }},
	{"create credential", addSecret("kept", func(c *customer) *secret { return &c.kept }), func(s *standing) { s.Kept = "live" }},
	{"create credential", addSecret("ended", func(c *customer) *secret { return &c.ended }), func(s *standing) { s.Ended = "live" }},
	{"revoke credential", func(ctx context.Context, m *client.Management, c *customer) error {
		_, err := m.RevokeCredential(ctx, c.ended.id, api.CredentialRevocation{Force: true})
		return err
	}, func(s *standing) { s.Ended = "revoked" }},
	{"request subscription", stepTo("request", ""), func(s *standing) { s.Subscription = "requested" }},
	{"approve subscription", stepTo("approve", "C-1"), func(s *standing) { s.Subscription = "subscribed" }},
	{"requested tin", func(ctx context.Context, m *client.Management, c *customer) error {
		_, err := m.RequestTIN(ctx, c.org, api.NewTIN{TIN: c.tin})
		return err
	}, func(s *standing) { s.TIN = "requested" }},
	{"associated tin", func(ctx context.Context, m *client.Management, c *customer) error {
		_, err := m.DecideTIN(ctx, c.org, c.tin, api.TINDecision{State: "associated"})
		return err
	}, func(s *standing) { s.TIN = "associated" }},
	{"delete tin", func(ctx context.Context, m *client.Management, c *customer) error {
		return m.DeleteTIN(ctx, c.org, c.tin)
	}, func(s *standing) { s.TIN = "" }},
	{"update organization", func(ctx context.Context, m *client.Management, c *customer) error {
		name := c.name + renamed
		_, err := m.UpdateOrganization(ctx, c.org, api.OrganizationPatch{Name: &name})
		return err
	}, func(s *standing) { s.Renamed = true }},
}

const renamed = " (renamed)"

func addSecret(label string, which func(*customer) *secret) func(context.Context, *client.Management, *customer) error {
	return func(ctx context.Context, m *client.Management, c *customer) error {
		made, err := m.CreateCredential(ctx, c.app, api.NewCredential{Label: label})
		if err == nil {
			*which(c) = secret{made.ID, made.ClientSecret.Reveal()}
		}
		return err
	}
}

func stepTo(action, contract string) func(context.Context, *client.Management, *customer) error {
	return func(ctx context.Context, m *client.Management, c *customer) error {
		_, err := m.StepSubscription(ctx, c.sub, action, api.SubscriptionStep{Contract: contract})
		return err
	}
}

// after is what there must be after the first n steps.
func after(n int) standing {
	var s standing
	for _, step := range steps[:n] {
		step.then(&s)
	}
	return s
}

const (
	crashRounds  = 5
	crashWorkers = 4
)

// At any moment of a run of changes, kill -9: what was acknowledged is there,
// with its audit record, and of what was not, either all or nothing.
func TestNoAcknowledgedChangeIsLostAndNoneIsHalfDone(t *testing.T) {
	data := t.TempDir()
	var all []*customer
	p := spawn(t, data)
	for round := range crashRounds {
		moment := 100*time.Millisecond + rand.N(500*time.Millisecond)
		customers := p.changeUntilKilled(fmt.Sprintf("round %d", round), moment)
		acked := 0
		for _, c := range customers {
			acked += c.acked
		}
		t.Logf("round %d: killed after %v, %d changes of %d customers acknowledged", round, moment, acked, len(customers))
		if acked == 0 {
			t.Errorf("round %d tested nothing", round)
		}
		all = append(all, customers...)
		p = spawn(t, data)
		p.checkSecrets(customers)
	}
	p.checkStanding(all)
	p.stop()
}

// changeUntilKilled drives changes from several goroutines and kills the
// process at the moment.
func (p *process) changeUntilKilled(name string, moment time.Duration) []*customer {
	p.t.Helper()
	m := p.operator()
	var killed atomic.Bool
	var mu sync.Mutex
	var all []*customer
	var workers sync.WaitGroup
	for w := range crashWorkers {
		workers.Go(func() {
			for n := 0; ; n++ {
				c := &customer{name: fmt.Sprintf("%s, worker %d, customer %d", name, w, n), tin: fmt.Sprintf("%d%08d", w, n)}
				mu.Lock()
				all = append(all, c)
				mu.Unlock()
				for _, step := range steps {
					c.tried++
					err := step.do(p.t.Context(), m, c)
					var refused *client.Error
					if errors.As(err, &refused) || err != nil && !killed.Load() {
						p.t.Errorf("%s: %s: %v", c.name, step.record, err)
					}
					if err != nil {
						return
					}
					c.acked++
				}
			}
		})
	}
	<-time.After(moment)
	killed.Store(true)
	p.kill()
	workers.Wait()
	return all
}

// checkSecrets checks that an acknowledged secret gets a token, and one whose
// revocation was acknowledged does not.
func (p *process) checkSecrets(customers []*customer) {
	p.t.Helper()
	e := p.Environments["sandbox"]
	clients := map[string]string{}
	apps, err := client.All(func(page api.Page) (api.List[api.App], error) { return p.operator().Apps(p.t.Context(), "", page) })
	if err != nil {
		p.t.Fatal(err)
	}
	for _, a := range apps {
		clients[a.ID] = a.ClientID
	}
	grant := func(c *customer, s secret) int {
		return p.grant(&environment{ClientID: clients[c.app], ClientSecret: s.text}, e.URL+"/apip/auth/v2/token").status
	}
	for _, c := range customers {
		if c.kept.text != "" {
			if status := grant(c, c.kept); status != 200 {
				p.t.Errorf("%s: the acknowledged secret gets %d", c.name, status)
			}
		}
		if c.ended.text == "" {
			continue
		}
		status := grant(c, c.ended)
		revoked, maybe := c.acked >= 6, c.tried >= 6
		if revoked && status != 401 || !maybe && status != 200 {
			p.t.Errorf("%s: after %d acknowledged of %d tried changes its second secret gets %d", c.name, c.acked, c.tried, status)
		}
	}
}

// checkStanding compares every customer with what must be there of it.
func (p *process) checkStanding(customers []*customer) {
	t := p.t
	t.Helper()
	m := p.operator()
	k := p.kept(m)
	byName := map[string]string{}
	organizations := map[string]bool{}
	for _, o := range k.Organizations {
		byName[o.Name] = o.ID
		organizations[o.ID] = true
	}
	audit, err := client.All(func(page api.Page) (api.List[api.AuditRecord], error) {
		return m.Audit(t.Context(), api.AuditFilter{Page: page})
	})
	if err != nil {
		t.Fatal(err)
	}
	records := map[string][]string{} // by organization, oldest first
	for _, r := range slices.Backward(audit) {
		if r.Org == "" {
			continue
		}
		if !organizations[r.Org] {
			t.Errorf("the audit says %s %s %s of an organization that is not there", r.Action, r.Kind, r.ID)
		}
		records[r.Org] = append(records[r.Org], r.Action+" "+r.Kind)
	}
	for org := range organizations {
		if len(records[org]) == 0 {
			t.Errorf("organization %s has no audit record", org)
		}
	}
	known := map[string]bool{}
	for _, c := range customers {
		var got standing
		org := byName[c.name]
		if org == "" {
			org = byName[c.name+renamed]
			got.Renamed = org != ""
		}
		if org != "" {
			p.observe(&got, k, org)
			known[org] = true
		}
		n := c.acked
		if diff := cmp.Diff(after(n), got); diff != "" && c.tried > c.acked {
			n = c.tried
		}
		if diff := cmp.Diff(after(n), got); diff != "" {
			t.Errorf("%s, %d changes acknowledged of %d tried (-want +got)\n%s", c.name, c.acked, c.tried, diff)
			continue
		}
		want := make([]string, n)
		for i := range want {
			want[i] = steps[i].record
		}
		if diff := cmp.Diff(want, records[org], cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: audit (-want +got)\n%s", c.name, diff)
		}
	}
	if extra := len(organizations) - len(known); extra != 2 {
		t.Errorf("%d organizations are nobody's, want the demo's 2", extra)
	}
}

// observe fills in what there is of an organization.
func (p *process) observe(s *standing, k kept, org string) {
	p.t.Helper()
	s.Organization = true
	for _, sub := range k.Subscriptions {
		if sub.Org == org {
			s.Subscription = sub.State
		}
	}
	for _, tin := range k.TINs {
		if tin.Org == org {
			s.TIN = tin.State
		}
	}
	for _, a := range k.Apps {
		if a.Org != org {
			continue
		}
		s.App = a.State
		credentials, err := p.operator().Credentials(p.t.Context(), a.ID)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, c := range credentials.Items {
			state := map[bool]string{true: "live", false: "revoked"}[c.Live]
			if c.Label == "kept" {
				s.Kept = state
			} else {
				s.Ended = state
			}
		}
	}
}

// A first start makes keys, a CA, a database and the demo's organizations. Kill
// it anywhere in there, and the next start still gets through.
func TestAFirstStartMayBeKilledAtAnyMoment(t *testing.T) {
	for _, file := range []string{"keys/sealing.key", "ca-key.pem", "sallyport.db"} {
		t.Run("as soon as there is "+file, func(t *testing.T) {
			data := t.TempDir()
			p := launch(t, data)
			eventually(t, file+" is there", func() bool { return exists(filepath.Join(data, file)) })
			p.kill()
			p = launch(t, data) // a second time, at any moment
			<-time.After(rand.N(400 * time.Millisecond))
			p.kill()
			p = spawn(t, data)
			for _, e := range p.Environments {
				token := p.token(e)
				for _, c := range e.Calls {
					if a := p.call(c, token, nil); a.status != 200 {
						t.Errorf("%s: %d %s", c.API, a.status, a.body)
					}
				}
			}
			p.stop()
		})
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
