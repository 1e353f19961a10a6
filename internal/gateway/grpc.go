package gateway

import (
	"net/http"
	"strconv"
	"strings"
)

// The status codes of gRPC that the gateway gives.
const (
	grpcInvalidArgument   = 3
	grpcPermissionDenied  = 7
	grpcResourceExhausted = 8
	grpcUnimplemented     = 12
	grpcUnavailable       = 14
	grpcUnauthenticated   = 16
)

// isGRPC reports whether a request is a call of gRPC, which is HTTP/2 alone.
// gRPC-Web is not: it is read by browsers, from what any HTTP server says.
func isGRPC(r *http.Request) bool {
	rest, is := strings.CutPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/grpc")
	return is && r.ProtoMajor == 2 && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// refuseGRPC answers a call of gRPC by an answer that is trailers only. Its HTTP
// status is 200, as gRPC over HTTP/2 has it: of any other a client reads that alone,
// and gRPC's status and message never.
func refuseGRPC(w http.ResponseWriter, ref *refusal) {
	h := w.Header()
	h["Content-Type"] = []string{"application/grpc"}
	h["Grpc-Status"] = []string{strconv.Itoa(grpcCode(ref.status))}
	h["Grpc-Message"] = []string{grpcMessage(ref.code + ": " + ref.detail)}
	w.WriteHeader(http.StatusOK)
}

func grpcCode(status int) int {
	switch status {
	case http.StatusUnauthorized:
		return grpcUnauthenticated
	case http.StatusForbidden:
		return grpcPermissionDenied
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return grpcUnimplemented
	case http.StatusTooManyRequests, http.StatusRequestEntityTooLarge:
		return grpcResourceExhausted
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return grpcUnavailable
	}
	return grpcInvalidArgument
}

// grpcMessage encodes what is not printable ASCII, and the percent sign.
func grpcMessage(text string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c > '~', c == '%':
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
