package adminapi

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// tell writes a node's row, as the node would.
func (w *world) tell(t *testing.T, name string, ago time.Duration, holds ...string) market.Node {
	t.Helper()
	n := market.Node{
		ID: id.NewNode(), Name: name, Version: "v1", Started: clock().Add(-time.Hour), Seen: clock().Add(-ago), MaxStale: 15 * time.Minute,
		Keys: map[market.Environment][]string{market.Sandbox: holds}, SealingKeys: w.config.Keys.SealingKeys(),
	}
	s, ok := w.config.Usage.(interface {
		PutNode(ctx context.Context, n market.Node) error
	})
	if !ok {
		t.Fatal("the store keeps no nodes")
	}
	if err := s.PutNode(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTheStatusSaysWhichNodesAKeyWaitsFor(t *testing.T) {
	w := open(t)
	next := want[api.Key](t, w, http.StatusCreated, "POST", "/v1/keys/rotate", api.KeyRotation{Environment: "sandbox"})
	if !next.Activates.IsZero() || len(next.WaitingFor) != 0 || next.Kept != "store" {
		t.Errorf("alone: %+v", next)
	}
	w.tell(t, "holds:1", 0, next.KID)
	crashed := w.tell(t, "crashed:2", 5*time.Minute)
	w.tell(t, "gone:3", time.Hour)

	states := map[string]string{}
	for _, n := range want[api.List[api.Node]](t, w, http.StatusOK, "GET", "/v1/nodes", nil).Items {
		states[n.Name] = n.State
	}
	if len(states) != 3 || states["holds:1"] != "serving" || states["crashed:2"] != "silent" || states["gone:3"] != "gone" {
		t.Errorf("nodes: %v", states)
	}
	waiting := func() []string {
		t.Helper()
		s := want[api.Status](t, w, http.StatusOK, "GET", "/v1/status", nil)
		if len(s.Nodes) == 0 || len(s.SealingKeys) != 1 || s.SealingKeys[0].State != "seals" || s.SealingKeys[0].InUse != 5 {
			t.Errorf("status: %+v", s)
		}
		for _, k := range want[api.List[api.Key]](t, w, http.StatusOK, "GET", "/v1/keys?environment=sandbox", nil).Items {
			if k.KID == next.KID {
				return k.WaitingFor
			}
		}
		return nil
	}
	if got := waiting(); !slices.Equal(got, []string{"crashed:2"}) {
		t.Errorf("waits for %v", got)
	}
	want[struct{}](t, w, http.StatusNoContent, "DELETE", "/v1/nodes/"+string(crashed.ID), nil)
	refused(t, w, api.CodeNotFound, "DELETE", "/v1/nodes/"+string(crashed.ID), nil)
	refused(t, w, api.CodeNotFound, "DELETE", "/v1/nodes/x", nil)
	if got := waiting(); len(got) != 0 {
		t.Errorf("then waits for %v", got)
	}
	audit := want[api.List[api.AuditRecord]](t, w, http.StatusOK, "GET", "/v1/audit?kind=node", nil)
	if len(audit.Items) != 1 || audit.Items[0].Action != "remove" || audit.Items[0].ID != string(crashed.ID) {
		t.Errorf("audit: %+v", audit)
	}
}
