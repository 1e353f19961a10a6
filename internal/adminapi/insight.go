package adminapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/usage"
)

// auditKinds lists the kinds to filter by.
func auditKinds() []string {
	return []string{
		string(market.KindOrg), string(market.KindApp), string(market.KindCredential), string(market.KindProduct),
		string(market.KindSubscription), string(market.KindTIN), string(market.KindSubmitter), string(market.KindCatalog),
		string(market.KindKeys), string(market.KindRevocation), string(market.KindPlatform), string(market.KindOperatorToken), string(market.KindNode),
	}
}

func auditRecord(a market.AuditRecord) api.AuditRecord {
	detail := json.RawMessage(a.Detail)
	if !json.Valid(detail) || len(detail) == 0 || detail[0] != '{' {
		detail = json.RawMessage("{}")
	}
	return api.AuditRecord{
		Seq: a.Seq, At: a.At.UTC(), Actor: api.Actor{Kind: a.Actor.Kind, ID: a.Actor.ID, From: a.Actor.From},
		Action: a.Action, Kind: string(a.Kind), ID: a.ID, Org: string(a.Org), Detail: detail,
	}
}

func (h *Handler) audit(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	filter := market.AuditFilter{
		Org:  id.Org(q.identifier("org", "org_")),
		Kind: market.Kind(q.word("kind", auditKinds()...)),
		ID:   q.text("id"),
		Page: q.page(),
	}
	if err := q.err(); err != nil {
		return err
	}
	var records []market.AuditRecord
	var next string
	err := h.Market.Store.View(r.Context(), func(read market.Reader) (err error) {
		records, next, err = read.Audit(filter)
		return err
	})
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, list(records, next, auditRecord))
	return nil
}

func usageRow(u usage.Row) api.UsageRow {
	return api.UsageRow{
		Hour: time.Unix(u.Hour, 0).UTC(), Environment: string(u.Environment), Org: string(u.Org), App: string(u.App),
		API: u.API, Operation: u.Operation, Product: u.Product, Outcome: u.Outcome, Source: u.Source,
		Count: u.Count, DurationMS: u.Duration.Milliseconds(),
	}
}

func (h *Handler) usage(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	filter := usage.Filter{
		Org:         id.Org(q.identifier("org", "org_")),
		App:         id.App(q.identifier("app", "app_")),
		Environment: market.Environment(q.word("environment", h.environments()...)),
		From:        q.time("from"),
		To:          q.time("to"),
	}
	if filter.To.IsZero() {
		filter.To = h.Now()
	}
	if filter.From.IsZero() {
		filter.From = filter.To.Add(-24 * time.Hour)
	}
	if filter.To.Before(filter.From) {
		q.refuse("to", "lies before from")
	}
	if err := q.err(); err != nil {
		return err
	}
	rows, err := h.Usage.Usage(r.Context(), filter)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, list(rows, "", usageRow))
	return nil
}

func refusalOf(u usage.Refusal) api.Refusal {
	return api.Refusal{
		TraceID: u.Trace, At: u.At.UTC(), Environment: string(u.Environment), Surface: u.Surface,
		Method: u.Method, Path: u.Path, Status: u.Status, Code: u.Code, Reason: u.Reason, Next: u.Next,
		Org: string(u.Org), App: string(u.App), Credential: string(u.Credential),
	}
}

func (h *Handler) listRefusals(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	org, limit := id.Org(q.identifier("org", "org_")), q.limit()
	if err := q.err(); err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, list(h.Refusals.Newest(org, limit), "", refusalOf))
	return nil
}

func (h *Handler) showRefusal(w http.ResponseWriter, r *http.Request) error {
	found, ok := h.Refusals.Find(r.PathValue("trace"))
	if !ok {
		return notFound("refusal",
			"a node keeps its newest refusals in memory: ask the node that answered, and soon; GET /v1/refusals lists them")
	}
	httpx.WriteJSON(w, http.StatusOK, refusalOf(found))
	return nil
}

func (h *Handler) explainCall(w http.ResponseWriter, r *http.Request) error {
	var in api.Call
	if err := readUpTo(w, r, &in, maxCallBody); err != nil {
		return err
	}
	out, err := h.Explain(r.Context(), in)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, out)
	return nil
}

func (h *Handler) status(w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	s := h.Status(r.Context())
	s.Environments = slices.Clone(s.Environments)
	if s.Environments == nil {
		s.Environments = []api.EnvironmentStatus{}
	}
	for i := range s.Environments {
		if s.Environments[i].URLs == nil {
			s.Environments[i].URLs = []string{}
		}
	}
	if err := h.addNodes(r.Context(), &s); err != nil {
		return err
	}
	if err := h.addKeys(r.Context(), &s); err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, s)
	return nil
}

func (h *Handler) health(w http.ResponseWriter, _ *http.Request) error {
	if !h.Healthy() {
		httpx.WriteJSON(w, http.StatusServiceUnavailable, api.Health{Status: "stale"})
		return nil
	}
	httpx.WriteJSON(w, http.StatusOK, api.Health{Status: "ok"})
	return nil
}

func (h *Handler) openAPI(w http.ResponseWriter, _ *http.Request) error {
	httpx.WriteBody(w, http.StatusOK, "application/yaml", []byte(api.OpenAPI())) // RFC 9512
	return nil
}
