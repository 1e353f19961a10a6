package httpx

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

// The ways in which a body can be unfit to be read as JSON.
var (
	ErrTooLarge  = errors.New("the body is too large")
	ErrMediaType = errors.New("the body must be application/json")
)

const usualBody = 4 << 10

// bodyTimeout is how long a body that is read whole may take to come.
const bodyTimeout = 30 * time.Second

// ReadBody reads a body of at most limit bytes; a larger one is [ErrTooLarge].
// A body that drips longer than half a minute is cut off.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, ErrTooLarge
	}
	control := http.NewResponseController(w)
	// A writer without deadlines is a test's: it has no network either.
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) //nolint:forbidigo // the network's clock
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	var buf bytes.Buffer
	// Room for what is usual; more as it arrives, not as it is announced.
	if r.ContentLength > 0 {
		buf.Grow(int(min(r.ContentLength, usualBody)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, ErrTooLarge
	}
	return buf.Bytes(), nil
}

// IsJSON reports whether a Content-Type is application/json, with any charset
// parameter that means UTF-8.
func IsJSON(contentType string) bool {
	mediaType, params, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType == "application/json" && utf8Charset(params["charset"])
}

// utf8Charset reports whether a charset parameter leaves the text UTF-8.
func utf8Charset(charset string) bool {
	switch charset {
	case "", "utf-8", "UTF-8", "utf8", "UTF8", "Utf-8", "us-ascii", "US-ASCII":
		return true
	}
	return false
}

// ReadJSON reads a strict JSON body of at most limit bytes into v, a pointer to
// a struct whose members are the only ones allowed.
func ReadJSON(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	if !IsJSON(r.Header.Get("Content-Type")) {
		return ErrMediaType
	}
	data, err := ReadBody(w, r, limit)
	if err != nil {
		return err
	}
	var probe any
	if err := strictjson.Unmarshal(data, &probe); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(v)
}

// WriteJSON answers v, which must be encodable.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // a type of ours that cannot be encoded is a bug
	}
	WriteBody(w, status, "application/json", append(body, '\n'))
}

// WriteBody answers body whole.
func WriteBody(w http.ResponseWriter, status int, mediaType string, body []byte) {
	h := w.Header()
	h["Content-Type"] = []string{mediaType}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller has gone if this fails
}
