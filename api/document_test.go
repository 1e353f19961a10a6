package api_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/api"
)

// schemas names the Go type of every schema of the document.
func schemas() map[string]any {
	return map[string]any{
		"Problem": api.Problem{}, "Health": api.Health{}, "Actor": api.Actor{},
		"Organization": api.Organization{}, "OrganizationList": api.List[api.Organization]{},
		"NewOrganization": api.NewOrganization{}, "OrganizationPatch": api.OrganizationPatch{},
		"TIN": api.TIN{}, "TINList": api.List[api.TIN]{}, "NewTIN": api.NewTIN{}, "TINDecision": api.TINDecision{},
		"Submitter": api.Submitter{}, "SubmitterList": api.List[api.Submitter]{}, "NewSubmitter": api.NewSubmitter{},
		"App": api.App{}, "AppList": api.List[api.App]{}, "NewApp": api.NewApp{}, "AppPatch": api.AppPatch{},
		"Credential": api.Credential{}, "CredentialList": api.List[api.Credential]{}, "NewCredential": api.NewCredential{},
		"CreatedCredential": api.CreatedCredential{}, "CredentialRevocation": api.CredentialRevocation{},
		"Import": api.Import{}, "ImportApp": api.ImportApp{}, "ImportCredential": api.ImportCredential{},
		"ImportResult": api.ImportResult{}, "ImportedApp": api.ImportedApp{},
		"CredentialRotation": api.CredentialRotation{}, "RotatedCredential": api.RotatedCredential{}, "CredentialPatch": api.CredentialPatch{},
		"Product": api.Product{}, "Plan": api.Plan{}, "PlanOperation": api.PlanOperation{}, "PlanLimits": api.PlanLimits{}, "PlanRate": api.PlanRate{},
		"ProductList": api.List[api.Product]{}, "NewProduct": api.NewProduct{}, "ProductPatch": api.ProductPatch{},
		"Subscription": api.Subscription{}, "SubscriptionList": api.List[api.Subscription]{},
		"NewSubscription": api.NewSubscription{}, "SubscriptionStep": api.SubscriptionStep{}, "SubscriptionPatch": api.SubscriptionPatch{},
		"Key": api.Key{}, "KeyList": api.List[api.Key]{}, "KeyRotation": api.KeyRotation{},
		"NotBefore": api.NotBefore{}, "NotBeforeList": api.List[api.NotBefore]{}, "NotBeforePut": api.NotBeforePut{},
		"TokenRevocation": api.TokenRevocation{},
		"Catalog":         api.Catalog{}, "CatalogAPI": api.CatalogAPI{}, "CatalogVersion": api.CatalogVersion{},
		"CatalogVersionList": api.List[api.CatalogVersion]{}, "CatalogPut": api.CatalogPut{}, "CatalogResult": api.CatalogResult{},
		"AuditRecord": api.AuditRecord{}, "AuditRecordList": api.List[api.AuditRecord]{},
		"TokenUsage": api.TokenUsage{}, "TokenUsageList": api.List[api.TokenUsage]{},
		"UsageRow": api.UsageRow{}, "UsageRowList": api.List[api.UsageRow]{},
		"Call": api.Call{}, "Explanation": api.Explanation{}, "ExplanationStep": api.ExplanationStep{},
		"Refusal": api.Refusal{}, "RefusalList": api.List[api.Refusal]{},
		"OperatorToken": api.OperatorToken{}, "OperatorTokenList": api.List[api.OperatorToken]{},
		"NewOperatorToken": api.NewOperatorToken{}, "CreatedOperatorToken": api.CreatedOperatorToken{},
		"Status": api.Status{}, "EnvironmentStatus": api.EnvironmentStatus{}, "SnapshotStatus": api.SnapshotStatus{}, "CatalogStatus": api.CatalogStatus{}, "StoreStatus": api.StoreStatus{},
		"SealingKeyStatus": api.SealingKeyStatus{}, "IssuerStatus": api.IssuerStatus{}, "UpstreamStatus": api.UpstreamStatus{}, "UpstreamTarget": api.UpstreamTarget{}, "Node": api.Node{}, "NodeList": api.List[api.Node]{},
	}
}

// notOnTheWire lists the structs that no body holds.
func notOnTheWire() []string {
	return []string{"List", "Page", "Expiry", "Secret", "AuditFilter", "CredentialFilter", "UsageFilter", "TokenUsageFilter", "RefusalFilter"}
}

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(api.OpenAPI()))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestEverySchemaHasTheMembersOfItsType(t *testing.T) {
	types := schemas()
	for name, ref := range document(t).Components.Schemas {
		v, ok := types[name]
		if !ok {
			t.Errorf("the schema %s has no type", name)
			continue
		}
		delete(types, name)
		all, required := members(reflect.TypeOf(v))
		var properties []string
		for property := range ref.Value.Properties {
			properties = append(properties, property)
		}
		sort.Strings(properties)
		if diff := cmp.Diff(all, properties); diff != "" {
			t.Errorf("%s: type (-) and schema (+) differ:\n%s", name, diff)
		}
		stated := slices.Sorted(slices.Values(ref.Value.Required))
		if diff := cmp.Diff(required, stated); diff != "" {
			t.Errorf("%s: members always sent (-) and required (+) differ:\n%s", name, diff)
		}
		for property, p := range ref.Value.Properties {
			if want := kind(fieldOf(reflect.TypeOf(v), property).Type); want != "" && p.Value.Type != nil && !p.Value.Type.Is(want) {
				t.Errorf("%s.%s: is %v, want %s", name, property, p.Value.Type, want)
			}
		}
	}
	for name := range types {
		t.Errorf("the type %s has no schema", name)
	}
}

func TestEveryStructIsASchema(t *testing.T) {
	types := schemas()
	set := token.NewFileSet()
	packages, err := parser.ParseDir(set, ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0) //nolint:staticcheck // no build tags here
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range packages["api"].Files {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if _, isStruct := spec.Type.(*ast.StructType); !isStruct || !spec.Name.IsExported() {
				return true
			}
			if _, ok := types[spec.Name.Name]; !ok && !slices.Contains(notOnTheWire(), spec.Name.Name) {
				t.Errorf("%s has no schema", spec.Name.Name)
			}
			return true
		})
	}
}

func TestThePatchesAndWishesAreClosed(t *testing.T) {
	for name, ref := range document(t).Components.Schemas {
		asked := strings.HasPrefix(name, "New") || strings.HasSuffix(name, "Patch") || strings.HasSuffix(name, "Put")
		closed := ref.Value.AdditionalProperties.Has != nil && !*ref.Value.AdditionalProperties.Has
		if asked && !closed {
			t.Errorf("%s takes members that the server refuses", name)
		}
	}
}

func TestTheProblemCodesAreInTheDocument(t *testing.T) {
	var want []any
	for _, code := range api.Codes() {
		want = append(want, string(code))
	}
	if diff := cmp.Diff(want, document(t).Components.Schemas["Problem"].Value.Properties["code"].Value.Enum); diff != "" {
		t.Error(diff)
	}
}

// members returns a struct's JSON members, and those that are always there.
func members(typ reflect.Type) (all, required []string) {
	for f := range typ.Fields() {
		if f.Anonymous {
			more, needed := members(f.Type)
			all, required = append(all, more...), append(required, needed...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		all = append(all, name)
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	sort.Strings(all)
	sort.Strings(required)
	return all, required
}

func fieldOf(typ reflect.Type, member string) reflect.StructField {
	for f := range typ.Fields() {
		if f.Anonymous {
			if found := fieldOf(f.Type, member); found.Name != "" {
				return found
			}
		}
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name == member {
			return f
		}
	}
	return reflect.StructField{}
}

// kind returns the JSON Schema type of a Go type; "" for those with a wire
// form of their own.
func kind(typ reflect.Type) string {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch typ {
	case reflect.TypeFor[api.EpochSecond](), reflect.TypeFor[api.Expiry]():
		return ""
	}
	switch typ.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		if typ.Elem().Kind() == reflect.Uint8 {
			return "object"
		}
		return "array"
	case reflect.Struct:
		if typ.PkgPath() == "time" || typ == reflect.TypeFor[api.Secret]() {
			return "string"
		}
	}
	return "object"
}
