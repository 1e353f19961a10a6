package adminapi

import (
	"context"
	"maps"
	"net/http"
	"slices"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/market"
)

func (h *Handler) node(n market.Node) api.Node {
	out := api.Node{
		ID: string(n.ID), Name: n.Name, Version: n.Version, State: n.State(h.Now()), Started: n.Started.UTC(), Seen: n.Seen.UTC(),
		Sequence: n.Head, Keys: map[string][]string{},
	}
	for env, kids := range n.Keys {
		out.Keys[string(env)] = append([]string{}, kids...)
	}
	return out
}

func (h *Handler) removeNode(w http.ResponseWriter, r *http.Request) error {
	node, err := nodeID(r)
	if err != nil {
		return err
	}
	if err := h.Market.RemoveNode(r.Context(), actor(r), node); err != nil {
		return err
	}
	done(w)
	return nil
}

// addNodes adds the nodes to a status.
func (h *Handler) addNodes(ctx context.Context, s *api.Status) error {
	all, err := view(ctx, h, market.Reader.Nodes)
	if err != nil {
		return err
	}
	s.Nodes = list(all, "", h.node).Items
	return nil
}

// addKeys adds to a status which keys are to sign next, and what the sealing keys
// are still needed for.
func (h *Handler) addKeys(ctx context.Context, s *api.Status) error {
	sealing := map[string]*api.SealingKeyStatus{}
	for i, id := range h.Keys.SealingKeys() {
		sealing[id] = &api.SealingKeyStatus{ID: id, State: "opens"}
		if i == 0 {
			sealing[id].State = "seals"
		}
	}
	for _, env := range h.Environments {
		all, err := h.Keys.Keys(ctx, env)
		if err != nil {
			return err
		}
		for _, k := range all {
			shown, err := h.key(ctx, k, all)
			if err != nil {
				return err
			}
			if sealing[k.SealingKey] == nil {
				sealing[k.SealingKey] = &api.SealingKeyStatus{ID: k.SealingKey, State: "unknown"}
			}
			sealing[k.SealingKey].Keys++
			if shown.State != "retired" && shown.State != "revoked" {
				sealing[k.SealingKey].InUse++
			}
			i := slices.IndexFunc(s.Environments, func(e api.EnvironmentStatus) bool { return e.Name == string(env) })
			if shown.State == "published" && i >= 0 {
				s.Environments[i].PendingKeys = append(s.Environments[i].PendingKeys, shown)
			}
		}
	}
	s.SealingKeys = []api.SealingKeyStatus{}
	for _, id := range slices.Sorted(maps.Keys(sealing)) {
		s.SealingKeys = append(s.SealingKeys, *sealing[id])
	}
	return nil
}
