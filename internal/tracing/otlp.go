package tracing

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// The types below are the part of OTLP that we send, in its JSON form: ids in
// hexadecimal, 64-bit integers as text (OTLP 1.0, "JSON Protobuf Encoding").
type (
	request struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   resource     `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	resource struct {
		Attributes []keyValue `json:"attributes"`
	}
	scopeSpans struct {
		Scope scope  `json:"scope"`
		Spans []span `json:"spans"`
	}
	scope struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	span struct {
		TraceID    string     `json:"traceId"`
		SpanID     string     `json:"spanId"`
		TraceState string     `json:"traceState,omitempty"`
		ParentID   string     `json:"parentSpanId,omitempty"`
		Name       string     `json:"name"`
		Kind       Kind       `json:"kind"`
		Start      string     `json:"startTimeUnixNano"`
		End        string     `json:"endTimeUnixNano"`
		Attributes []keyValue `json:"attributes,omitempty"`
		Status     *status    `json:"status,omitempty"`
	}
	status struct {
		Code int `json:"code"`
	}
	keyValue struct {
		Key   string `json:"key"`
		Value value  `json:"value"`
	}
	value struct {
		Text   *string `json:"stringValue,omitempty"`
		Number *string `json:"intValue,omitempty"`
	}
)

const statusError = 2

// encode makes the body of an export.
func (t *Tracer) encode(roots []*Span) ([]byte, error) {
	var spans []span
	for _, root := range roots {
		spans = append(spans, root.encode())
		for _, child := range root.children {
			spans = append(spans, child.encode())
		}
	}
	return json.Marshal(request{[]resourceSpans{{
		Resource: resource{attributes([]attribute{
			{"service.name", "sallyport"}, {"service.version", t.Version}, {"service.instance.id", t.Node},
		})},
		ScopeSpans: []scopeSpans{{Scope: scope{"sallyport", t.Version}, Spans: spans}},
	}}})
}

func (s *Span) encode() span {
	out := span{
		TraceID: hex.EncodeToString(s.trace[:]), SpanID: hex.EncodeToString(s.id[:]), TraceState: s.state, Name: s.name, Kind: s.kind,
		Start: strconv.FormatInt(s.began.UnixNano(), 10), End: strconv.FormatInt(s.ended.UnixNano(), 10), Attributes: attributes(s.attributes),
	}
	if s.parent != (SpanID{}) {
		out.ParentID = hex.EncodeToString(s.parent[:])
	}
	if s.failed {
		out.Status = &status{statusError}
	}
	return out
}

func attributes(list []attribute) []keyValue {
	out := make([]keyValue, len(list))
	for i, a := range list {
		out[i].Key = a.key
		switch v := a.value.(type) {
		case string:
			out[i].Value.Text = &v
		case int64:
			text := strconv.FormatInt(v, 10)
			out[i].Value.Number = &text
		}
	}
	return out
}

// What a send may take, and how often a batch is tried: the queue fills meanwhile.
const (
	sendTimeout = 5 * time.Second
	tries       = 3
	maxPause    = 5 * time.Second
	maxAnswer   = 64 << 10
)

// send sends a batch, again if the collector asks for that.
func (t *Tracer) send(ctx context.Context, roots []*Span) error {
	body, err := t.encode(roots)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		pause, err := t.post(ctx, body)
		if err == nil || pause == 0 || try == tries {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

// post sends a body once. After an error that may pass it says when to try again.
func (t *Tracer) post(ctx context.Context, body []byte) (again time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return 0, errors.New("the collector's URL cannot be used")
	}
	if t.Headers != nil {
		if r.Header, err = t.Headers(); err != nil {
			return 0, err
		}
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := t.Client.Do(r)
	if err != nil {
		return time.Second, err
	}
	defer func() { _ = res.Body.Close() }() // nothing of it is used
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	switch res.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return 0, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = time.Second
		if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && n > 0 {
			again = min(time.Duration(n)*time.Second, maxPause)
		}
	}
	return again, fmt.Errorf("it answered %d", res.StatusCode)
}
