package httpx

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

// ErrMediaType is what ReadJSON returns for what does not say that it is JSON.
var ErrMediaType = errors.New("the body must be application/json")

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
