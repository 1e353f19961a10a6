// Package openapi reads an OpenAPI 3.1 document and compiles it into what the
// gateway, the mocks and the portal need: operations to match, schemas to hold
// a body against, examples to answer with.
//
// [Parse] reads the text strictly and keeps its order (strictyaml), refuses
// what could not be served (references to other documents, patterns that need
// backtracking, paths that could both match), has kin-openapi check it against
// the specification, and compiles every schema of a JSON body once
// (jsonschema/v6, JSON Schema 2020-12, formats asserted). Examples must match
// their schemas, because they are what the sandbox answers.
//
// A Document does not change after Parse and may be used by many goroutines.
// What is said about a request that does not match names the field and what is
// allowed, and never holds a value that was sent.
//
// What it does not do: read files or URLs, or decide about methods and media types; it tells which there are.
package openapi

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Document is an OpenAPI 3.1 document, checked and compiled.
type Document struct {
	Title      string
	Version    string
	Summary    string
	Operations []*Operation    // in the order of the document
	Source     json.RawMessage // the document as JSON, in its own order, to be downloaded

	routes *route
}

// Operation is one operation of a document.
type Operation struct {
	ID          string // operationId
	Method      string // upper case
	Template    string // as in the document, e.g. "/payers/{id}"; "/" is the base itself
	Summary     string
	Description string // Markdown
	Deprecated  bool
	Parameters  []Parameter
	Body        *Body     // nil: takes none
	Examples    []Example // of answers, in the order of the document
	answers     []answer
}

// answer is what an operation says about its answers of a status.
type answer struct {
	status string             // "200", "4XX", "default"
	json   map[string]*Schema // by media type; nil schema: takes everything
}

// Answer returns the schema that a JSON body of an answer is held to, nil if the
// document has none for it. listed reports whether the document lists the status
// at all.
func (op *Operation) Answer(status int, mediaType string) (schema *Schema, listed bool) {
	code := strconv.Itoa(status)
	for _, key := range []string{code, code[:1] + "XX", "default"} {
		for i := range op.answers {
			if strings.EqualFold(op.answers[i].status, key) {
				return op.answers[i].json[baseType(mediaType)], true
			}
		}
	}
	return nil, false
}

// Body is a request body that an operation takes.
type Body struct {
	Required   bool
	MediaTypes []string  // in the order of the document
	JSON       *Schema   // of application/json, or else of a +json type; nil: no schema
	Examples   []Example // Status is 0
}

// Example is an example of a body. An unnamed one has the status code as its
// name, or "request".
type Example struct {
	Name      string
	Summary   string
	Status    int // of "4XX" 400; of "default" 500
	MediaType string
	Value     []byte // as it is sent
	When      []byte // x-mock-when, as JSON: the mock rule that this example carries; nil: none
}
