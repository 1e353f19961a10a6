package adminapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/api"
	"github.com/sallyport-dev/sallyport/internal/httpx"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

// Limits of bodies.
const (
	maxBody        = 64 << 10
	maxCatalogBody = 16 << 20
	maxCallBody    = 2 << 20
)

// read reads the request's body into v, a pointer to one of api's structs.
func read(w http.ResponseWriter, r *http.Request, v any) error { return readUpTo(w, r, v, maxBody) }

// readIfAny is read, but leaves v alone when there is no body.
func readIfAny(w http.ResponseWriter, r *http.Request, v any) error {
	if r.ContentLength == 0 {
		return nil
	}
	return read(w, r, v)
}

func readUpTo(w http.ResponseWriter, r *http.Request, v any, limit int64) error {
	if !httpx.IsJSON(r.Header.Get("Content-Type")) {
		return &refusal{code: api.CodeMediaType, field: "Content-Type", detail: "the body must be JSON", hint: "send Content-Type: application/json"}
	}
	// The bytes are kept, to find which member is at fault.
	data, err := httpx.ReadBody(w, r, limit)
	switch {
	case errors.Is(err, httpx.ErrTooLarge):
		w.Header().Set("Connection", "close") // the rest of it is not read
		return &refusal{code: api.CodeTooLarge, detail: "the body is larger than " + size(limit), hint: "send less at once"}
	case err != nil:
		return &refusal{code: api.CodeMalformed, detail: "the body ended before it was complete", hint: "send it again, whole"}
	}
	if err := decode(data, v); err != nil {
		return malformed(err, data, v)
	}
	return exactMembers(data, v)
}

// decode reads strict JSON into v, whose members are the only ones allowed.
func decode(data []byte, v any) error {
	var probe any
	if err := strictjson.Unmarshal(data, &probe); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(v)
}

// exactMembers refuses a member that encoding/json took for one of v's although
// its case differs: two readers of the body could see two things.
func exactMembers(data []byte, v any) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return &refusal{code: api.CodeMalformed, detail: "the body must be a JSON object", hint: shapes}
	}
	known := members(v)
	for name := range raw {
		if !slices.Contains(known, name) {
			return unknownMember(name, v)
		}
	}
	return noZeroTimes(raw, v)
}

// noZeroTimes refuses a time that was sent and is the zero of Go's, which would
// be taken for one that was not sent: for "never".
func noZeroTimes(raw map[string]json.RawMessage, v any) error {
	fields := reflect.ValueOf(v).Elem()
	for i := range fields.NumField() {
		at, ok := fields.Field(i).Interface().(time.Time)
		name := memberName(fields.Type().Field(i))
		if _, sent := raw[name]; ok && sent && at.IsZero() {
			return market.Invalid(name, "must lie between the years 1970 and 9000; leave it out for never")
		}
	}
	return nil
}

func unknownMember(name string, v any) error {
	return &refusal{
		code: api.CodeMalformed, field: name, detail: "there is no such member",
		hint: "the members are: " + strings.Join(members(v), ", "),
	}
}

func size(limit int64) string {
	if limit >= 1<<20 {
		return strconv.FormatInt(limit>>20, 10) + " MiB"
	}
	return strconv.FormatInt(limit>>10, 10) + " KiB"
}

// shapes is where it stands what bodies look like.
const shapes = "GET /v1/openapi.yaml tells what each operation takes"

// malformed says what is wrong with a body that v could not be read from.
func malformed(err error, data []byte, v any) error {
	out := &refusal{code: api.CodeMalformed, hint: shapes}
	var wrongType *json.UnmarshalTypeError
	switch name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); {
	case errors.Is(err, strictjson.ErrUTF8), errors.Is(err, strictjson.ErrDepth), errors.Is(err, strictjson.ErrNumbers), errors.Is(err, strictjson.ErrMalformed):
		out.detail = "the body is " + err.Error()
	case unknown:
		return unknownMember(strings.Trim(name, `"`), v)
	case errors.As(err, &wrongType) && wrongType.Field == "":
		out.detail = "the body must be a JSON object"
	default:
		out.field, out.detail = offender(data, v)
	}
	return out
}

// offender finds the member whose value does not fit.
func offender(data []byte, v any) (field, detail string) {
	var raw map[string]json.RawMessage
	if json.Unmarshal(data, &raw) != nil {
		return "", "the body must be a JSON object"
	}
	for f := range reflect.TypeOf(v).Elem().Fields() {
		name := memberName(f)
		value, there := raw[name]
		if !there {
			continue
		}
		err := json.Unmarshal(value, reflect.New(f.Type).Interface())
		var wrongType *json.UnmarshalTypeError
		var wrongTime *time.ParseError
		switch {
		case err == nil:
			continue
		case errors.As(err, &wrongType):
			return name, "must be " + kindOf(wrongType.Type)
		case errors.As(err, &wrongTime), f.Type == reflect.TypeFor[time.Time]():
			return name, "must be a time in RFC 3339, such as 2030-01-31T00:00:00Z"
		}
		return name, err.Error() // the texts of api's own types
	}
	return "", "a member's value does not fit"
}

func kindOf(t reflect.Type) string {
	switch t.Kind() { // the kinds that api's types have
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int64, reflect.Int:
		return "a whole number"
	case reflect.Slice:
		return "an array"
	}
	return "an object"
}

// members lists the JSON members of the struct that v points to.
func members(v any) []string {
	var names []string
	for f := range reflect.TypeOf(v).Elem().Fields() {
		names = append(names, memberName(f))
	}
	return names
}

func memberName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// moment holds a time from outside to what can be stored and shown again.
func moment(field string, t time.Time) (time.Time, error) {
	if t.IsZero() {
		return t, nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	if t.Year() < 1970 || t.Year() > 9000 {
		return t, market.Invalid(field, "must lie between the years 1970 and 9000")
	}
	return t, nil
}

// seconds turns whole seconds into a duration that does not overflow.
func seconds(field string, s api.Seconds) (time.Duration, error) {
	const year = 366 * 24 * 3600
	if s < -1 || s > year {
		return 0, market.Invalid(field, "must be whole seconds, from 0 to %d", year)
	}
	return s.Duration(), nil
}

// secondsPatch is seconds of a member that may be missing.
func secondsPatch(field string, s *api.Seconds) (*time.Duration, error) {
	if s == nil {
		return nil, nil // not to be changed
	}
	d, err := seconds(field, *s)
	return &d, err
}

// epoch resolves "now".
func (h *Handler) epoch(s *api.EpochSecond) *int64 {
	if s == nil {
		return nil
	}
	second := int64(*s)
	if *s == api.Now {
		second = market.NotBeforeNow(h.Now())
	}
	return &second
}
