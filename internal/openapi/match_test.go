package openapi_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const routes = head + `
paths:
  /: {post: {operationId: base, responses: {"200": {description: d}}}}
  /raw-x12/: {post: {operationId: raw, responses: {"200": {description: d}}}}
  /payers: {get: {operationId: list, responses: {"200": {description: d}}}, post: {operationId: add, responses: {"200": {description: d}}}}
  /payers/export: {get: {operationId: export, responses: {"200": {description: d}}}}
  /payers/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get: {operationId: read, responses: {"200": {description: d}}}
    head: {operationId: probe, responses: {"200": {description: d}}}
    delete: {operationId: remove, responses: {"200": {description: d}}}
  /payers/{payer}/plans/{plan}:
    parameters: [{name: payer, in: path, required: true, schema: {type: string}}, {name: plan, in: path, required: true, schema: {type: string}}]
    get: {operationId: plan, responses: {"200": {description: d}}}
  /payers/export/plans: {get: {operationId: exportPlans, responses: {"200": {description: d}}}}
  /a%20b: {get: {operationId: space, responses: {"200": {description: d}}}}
`

func TestMatchFindsTheOperation(t *testing.T) {
	doc := parse(t, routes)
	tests := []struct {
		method, path, id string
		params           map[string]string
		allowed          []string
	}{
		{"POST", "", "base", nil, nil},
		{"POST", "/", "base", nil, nil},
		{"GET", "/", "", nil, []string{"POST"}},
		{"POST", "/raw-x12", "raw", nil, nil},
		{"POST", "/raw-x12/", "raw", nil, nil},
		{"POST", "/raw-x12//", "", nil, nil},
		{"POST", "//raw-x12", "", nil, nil},
		{"POST", "/RAW-X12", "", nil, nil},
		{"GET", "/payers", "list", nil, nil},
		{"HEAD", "/payers", "list", nil, nil},
		{"PUT", "/payers", "", nil, []string{"GET", "HEAD", "POST"}},
		{"GET", "/payers/export", "export", nil, nil},
		{"DELETE", "/payers/export", "", nil, []string{"GET", "HEAD"}},
		{"GET", "/payers/7", "read", map[string]string{"id": "7"}, nil},
		{"GET", "/payers/a b%2F", "read", map[string]string{"id": "a b%2F"}, nil},
		{"HEAD", "/payers/7/", "probe", map[string]string{"id": "7"}, nil},
		{"PATCH", "/payers/7", "", nil, []string{"DELETE", "GET", "HEAD"}},
		{"GET", "/payers/7/plans/8", "plan", map[string]string{"payer": "7", "plan": "8"}, nil},
		{"GET", "/payers/export/plans/8", "plan", map[string]string{"payer": "export", "plan": "8"}, nil},
		{"GET", "/payers/export/plans", "exportPlans", nil, nil},
		{"GET", "/payers/7/plans", "", nil, nil},
		{"GET", "/payers//plans/8", "", nil, nil},
		{"GET", "/a b", "space", nil, nil},
		{"GET", "/nothing", "", nil, nil},
		{"get", "/payers", "", nil, []string{"GET", "HEAD", "POST"}},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			op, params, allowed, ok := doc.Match(tt.method, tt.path)
			if ok != (tt.id != "") || (ok && op.ID != tt.id) {
				t.Fatalf("got %v, %v; want %q", op, ok, tt.id)
			}
			if diff := cmp.Diff(tt.params, params); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.allowed, allowed); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMatchDoesNotAllocateWithoutParameters(t *testing.T) {
	doc := parse(t, routes)
	for _, path := range []string{"", "/", "/raw-x12", "/payers/export/", "/payers/export/plans", "/nothing/here"} {
		if n := testing.AllocsPerRun(100, func() { doc.Match("POST", path) }); n != 0 {
			t.Errorf("%q: %v allocations", path, n)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	doc := parse2(b, routes)
	for b.Loop() {
		doc.Match("GET", "/payers/export/plans")
	}
}
