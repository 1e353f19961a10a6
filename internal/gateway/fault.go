package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/sallyport-dev/sallyport/internal/relay"
)

// faultOf says what an upstream did instead of answering, and what the operator does
// about it. It names no address and quotes nothing of the upstream's, for the reason
// may be shown to the caller's side; the log has the error itself.
func faultOf(err error, w way) (reason, next string) {
	stage := relay.StageOf(err)
	var call *net.OpError
	if errors.As(err, &call) && call.Op == "dial" { // a transport's errors have no stage
		stage = relay.Connecting
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return lateness(stage, w)
	}
	var name *net.DNSError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var certificate x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &name):
		return "the name of the upstream's host cannot be resolved", "correct the url in the manifest, or the name service of the node"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the upstream refused the connection: nothing listens there", "start the API's own server, or correct the port of the url in the manifest; upstream_error in the log names the address"
	case errors.As(err, &authority):
		return "the upstream's certificate is of an authority that is not trusted", "name the authority's file under upstream_tls in the configuration, and that entry as tls in the manifest"
	case errors.As(err, &hostname):
		return "the upstream's certificate is for another name", "put a name of the certificate into the url of the manifest, or into server_name under upstream_tls"
	case errors.As(err, &certificate) && certificate.Reason == x509.Expired:
		return "the upstream's certificate has expired, or is not valid yet", "renew the certificate of the API's own server"
	case errors.As(err, &record):
		return "the upstream does not speak TLS on that port", "write http:// in the url of the manifest, or the port on which it does"
	case stage == relay.Securing:
		return "the upstream and the gateway could not agree on TLS", "upstream_error in the log says over what; a certificate that it wants to see is named under upstream_tls"
	case stage == relay.Connecting:
		return "there was no connection to the upstream to be had", "see upstream_error in the log: routes, firewalls, file descriptors"
	case errors.Is(err, relay.ErrMalformed):
		return "the upstream's answer is not HTTP as it should be", "mend the API's own server, which upstream_error in the log says more about; lenient in the manifest takes some of it"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the upstream closed the connection before it had answered", "see the log of the API's own server: it may have crashed, or speak TLS where the manifest says http://"
	}
	return "the upstream did not answer as it should", "see upstream_error in the log, under this trace id"
}

// lateness is the fault of an upstream that did not do something in time.
func lateness(stage relay.Stage, w way) (reason, next string) {
	if stage == relay.Connecting || stage == relay.Securing {
		return "there was no connection to the upstream within connect_timeout (" + w.connect.String() + ")",
			"see whether a firewall drops what goes there, or the url in the manifest is of another host"
	}
	if stage == relay.Reading {
		return "the upstream was silent within its answer for idle_timeout (" + w.idle.String() + ")", "find out what it waits for, or raise idle_timeout in the manifest"
	}
	return "the upstream began no answer within timeout (" + w.timeout.String() + ")",
		"find out what the API's own server waits for, or raise timeout in the manifest"
}

// quiet is an error of net/http without what it quotes: of an answer that it could not
// read, which may be about a person.
type quiet struct{ error }

// Error implements error.
func (q quiet) Error() string {
	text := q.error.Error()
	var network *net.OpError
	if errors.As(q.error, &network) || errors.Is(q.error, relay.ErrMalformed) {
		return clipped(text) // addresses, or names of fields
	}
	if i := strings.IndexAny(text, "\"["); i >= 0 {
		text = text[:i] + "…"
	}
	if before, _, found := strings.Cut(text, "line: "); found {
		text = before + "line: …"
	}
	return clipped(text)
}

// Unwrap returns the error as it was.
func (q quiet) Unwrap() error { return q.error }

// clipped bounds what an upstream can write to the log.
func clipped(text string) string {
	const most = 512
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}
