package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// upstream is the live side of the demo's APIs: a server on loopback that
// answers what it is asked, unlike the mock data, which answers by rules.
type upstream struct {
	url    string
	server *http.Server
}

const upstreamMaxBody = 1 << 20

func startUpstream(ctx context.Context, now func() time.Time) (*upstream, error) {
	var lc net.ListenConfig
	socket, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the demo's upstream: %w", err)
	}
	mux := http.NewServeMux()
	for _, mode := range []string{"sandbox", "production"} {
		answer := func(make func(in map[string]any) map[string]any) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				answerLive(w, r, mode, make)
			}
		}
		at := func(method, path string, h http.HandlerFunc) { mux.HandleFunc(method+" /"+mode+path, h) }
		at("POST", "/medicalnetwork/eligibility/v3/{$}", answer(eligibility))
		at("POST", "/medicalnetwork/eligibility/v3", answer(eligibility))
		at("POST", "/medicalnetwork/eligibility/v3/raw-x12", answer(x12))
		at("POST", "/medicalnetwork/claimstatus/v2/{$}", answer(claimStatus(now)))
		at("POST", "/medicalnetwork/claimstatus/v2", answer(claimStatus(now)))
		at("POST", "/medicalnetwork/claimstatus/v2/raw-x12", answer(x12))
		at("POST", "/pharmacynetwork/submitter/v1/pharmacy-claims", answer(pharmacy))
		at("GET", "/medicalnetwork/eligibility/v3/healthcheck", health("v3"))
		at("GET", "/medicalnetwork/claimstatus/v2/healthcheck", health("v2"))
		at("GET", "/pharmacynetwork/submitter/v1/healthcheck", health("v1"))
	}
	u := &upstream{
		url:    "http://" + socket.Addr().String(),
		server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute},
	}
	go u.server.Serve(socket) //nolint:errcheck // ends with stop
	return u, nil
}

func (u *upstream) stop() { _ = u.server.Close() } // the process is ending

// answerLive reads the request and answers it, with the meta that live answers
// carry.
func answerLive(w http.ResponseWriter, r *http.Request, mode string, make func(in map[string]any) map[string]any) {
	in := map[string]any{}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, upstreamMaxBody))
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, &in)
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"errors": []any{map[string]any{"field": "body", "description": "cannot be read"}}})
		return
	}
	out := make(in)
	out["meta"] = map[string]any{
		"applicationMode": mode,
		"traceId":         r.Header.Get("X-Trace-Id"),
		"senderId":        r.Header.Get("X-Sallyport-Application"),
		"submitterId":     r.Header.Get("Submitterid"),
	}
	writeJSON(w, http.StatusOK, out)
}

func eligibility(in map[string]any) map[string]any {
	subscriber := object(in["subscriber"])
	return map[string]any{
		"controlNumber":           in["controlNumber"],
		"reassociationKey":        in["controlNumber"],
		"tradingPartnerServiceId": in["tradingPartnerServiceId"],
		"provider":                in["provider"],
		"subscriber":              subscriber,
		"payer":                   map[string]any{"name": "DEMO PAYER", "entityType": "Non-Person Entity"},
		"planStatus":              []any{map[string]any{"statusCode": "1", "status": "Active Coverage", "serviceTypeCodes": []string{"30"}}},
		"benefitsInformation": []any{map[string]any{
			"code": "1", "name": "Active Coverage", "serviceTypeCodes": []string{"30"},
			"serviceTypes": []string{"Health Benefit Plan Coverage"}, "coverageLevelCode": "IND", "coverageLevel": "Individual",
		}},
	}
}

func claimStatus(now func() time.Time) func(map[string]any) map[string]any {
	return func(in map[string]any) map[string]any {
		return map[string]any{
			"controlNumber":           in["controlNumber"],
			"tradingPartnerServiceId": in["tradingPartnerServiceId"],
			"subscriber":              object(in["subscriber"]),
			"claims": []any{map[string]any{"claimStatus": map[string]any{
				"statusCategoryCode": "F1", "statusCategoryCodeValue": "Finalized/Payment", "statusCode": "65",
				"statusCodeValue": "Claim/line has been paid", "effectiveDate": now().UTC().Format("20060102"),
				"submittedAmount": "100", "amountPaid": "80",
			}}},
			"status": "success",
		}
	}
}

func pharmacy(in map[string]any) map[string]any {
	return map[string]any{"headers": in["headers"], "responseData": in["messageData"]}
}

func x12(in map[string]any) map[string]any {
	text, _ := in["x12"].(string)
	return map[string]any{"x12": text, "controlNumber": strings.Repeat("0", 9)}
}

func health(version string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"status": "OK", "version": version})
	}
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the gateway has gone if this fails
}
