package mock

import (
	"net/http"
	"net/url"
	"time"
)

// Request is what a rule may look at.
type Request struct {
	Operation string // operationId
	Method    string
	Path      string            // canonical, whole
	Params    map[string]string // of the path
	Header    http.Header
	Query     url.Values
	Body      any // decoded JSON; nil: none
	Trace     string
	App       string // application_name of the caller
}

// Response is an answer of the mock engine.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	Delay  time.Duration
	Rule   string // the rule's name, or "example NAME"; for the log
}
