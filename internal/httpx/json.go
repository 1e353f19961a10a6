package httpx

import (
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
)

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
