package adminapi

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	registry "github.com/sallyport-dev/sallyport/internal/problem"
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
	quantile := func(q float64) *float64 {
		d, ok := u.Took.Quantile(q)
		if !ok {
			return nil
		}
		ms := math.Round(float64(d)/float64(10*time.Microsecond)) / 100
		return &ms
	}
	return api.UsageRow{
		Hour: time.Unix(u.Hour, 0).UTC(), Environment: string(u.Environment), Org: string(u.Org), App: string(u.App),
		API: u.API, Operation: u.Operation, Product: u.Product, Outcome: u.Outcome, Source: u.Source,
		Count: u.Count, DurationMS: u.Duration.Milliseconds(),
		P50MS: quantile(0.5), P95MS: quantile(0.95), P99MS: quantile(0.99),
	}
}

// usageFilter reads what usage is asked for: that of the last day, unless the query
// says otherwise.
func (h *Handler) usageFilter(q *query) usage.Filter {
	filter := usage.Filter{
		Org:         id.Org(q.identifier("org", "org_")),
		App:         id.App(q.identifier("app", "app_")),
		Environment: market.Environment(q.word("environment", h.environments()...)),
	}
	filter.From, filter.To = q.interval()
	if filter.To.IsZero() {
		filter.To = h.Now()
	}
	if filter.From.IsZero() {
		filter.From = filter.To.Add(-24 * time.Hour)
	}
	if filter.To.Before(filter.From) {
		q.refuse("to", "lies before from")
	}
	return filter
}

func (h *Handler) usage(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	filter := h.usageFilter(q)
	by := q.word("by", "hour", "total")
	if err := q.err(); err != nil {
		return err
	}
	rows, err := h.Usage.Usage(r.Context(), filter)
	if err != nil {
		return err
	}
	if by == "total" {
		rows = usage.AddUp(rows)
	}
	httpx.WriteJSON(w, http.StatusOK, list(rows, "", usageRow))
	return nil
}

func refusalOf(u usage.Refusal) api.Refusal {
	next := u.Next
	if next == "" { // what its code says to everybody
		for _, p := range registry.ByCode(u.Code) {
			if string(p.Surface) == u.Surface {
				next = p.Next[0]
			}
		}
	}
	return api.Refusal{
		TraceID: u.Trace, At: u.At.UTC(), Environment: string(u.Environment), Surface: u.Surface,
		Method: u.Method, Path: u.Path, Status: u.Status, Code: u.Code, Reason: u.Reason, Next: next,
		Parameter: u.Parameter, SkewSeconds: int64(u.Skew.Round(time.Second) / time.Second),
		Org: string(u.Org), App: string(u.App), Credential: string(u.Credential), Label: u.Label, Hint: u.Hint,
	}
}

// surfaces lists where something can be refused, or, with "report", would have been
// if the API's manifest did not say `validate: report`.
func surfaces() []string { return []string{string(registry.Token), string(registry.Call), "report"} }

// interval reads from and to.
func (q *query) interval() (from, to time.Time) {
	from, to = q.time("from"), q.time("to")
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		q.refuse("to", "lies before from")
	}
	return from, to
}

func (h *Handler) listRefusals(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	page := q.page()
	filter := usage.RefusalFilter{
		Org:         id.Org(q.identifier("org", "org_")),
		App:         id.App(q.identifier("app", "app_")),
		Credential:  id.Credential(q.identifier("credential", "cred_")),
		Environment: market.Environment(q.word("environment", h.environments()...)),
		Surface:     q.word("surface", surfaces()...),
		Code:        q.text("code"),
		Trace:       q.text("trace"),
		After:       page.After, Limit: page.Limit,
	}
	filter.From, filter.To = q.interval()
	if err := q.err(); err != nil {
		return err
	}
	found, next, err := h.Refusals.List(r.Context(), filter)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, list(found, next, refusalOf))
	return nil
}

func (h *Handler) showRefusal(w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	found, ok, err := h.Refusals.Find(r.Context(), r.PathValue("trace"), "")
	if err != nil {
		return err
	}
	if !ok {
		return notFound("refusal", "every node finds it some seconds after its answer, and for 30 days at most; GET /v1/refusals lists what there is")
	}
	httpx.WriteJSON(w, http.StatusOK, refusalOf(found))
	return nil
}

func tokenUse(u usage.TokenUse) api.TokenUsage {
	out := api.TokenUsage{
		Org: string(u.Org), App: string(u.App), Environment: string(u.Environment),
		Signed: u.Signed, Again: u.Again, Refused: u.Refused, Calls: u.Calls,
	}
	if u.Calls > 0 {
		ratio := math.Round(float64(u.Fetched())/float64(u.Calls)*1000) / 1000
		out.TokensPerCall = &ratio
	}
	if u.Chatty() {
		out.Advice = "fetch one token, keep it in memory, and use it for all calls until shortly before it expires"
	}
	return out
}

func (h *Handler) tokenUsage(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	page := q.page()
	filter := usage.TokenFilter{After: page.After, Limit: page.Limit}
	filter.Filter = h.usageFilter(q)
	if err := q.err(); err != nil {
		return err
	}
	found, next, err := h.Usage.TokenUse(r.Context(), filter)
	if err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, list(found, next, tokenUse))
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
	if s.Issuers == nil {
		s.Issuers = []api.IssuerStatus{}
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

func (h *Handler) metrics(w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r).err(); err != nil {
		return err
	}
	h.Metrics.ServeHTTP(w, r)
	return nil
}
