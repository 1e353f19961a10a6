package relay

import (
	"bytes"
	"fmt"
	"net/textproto"
	"strconv"
	"strings"
)

// head is the head of an answer, as it was read.
type head struct {
	status  int
	old     bool // HTTP/1.0
	fields  []Field
	lengths int   // how many Content-Length there are
	length  int64 // what it says
	chunked bool
	close   bool     // the server closes after it
	named   []string // what Connection names, beside close and keep-alive
	trailer []string // what Trailer announces
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

// headEnd returns where the head that begins b ends, its empty line included; -1
// if it has not come whole. From is how far b was looked at before; the place up
// to which it now was is returned as well. Lines end with CR LF, nothing else
// (RFC 9112 §2.2 lets a recipient take a bare LF; what one reads as an end and
// another does not is how answers are smuggled).
func headEnd(b []byte, from int) (end, seen int, err error) {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return -1, len(b), nil
		}
		at := from + i
		if at == 0 || b[at-1] != '\r' {
			return -1, 0, malformed("a line of its head ends without CR")
		}
		if at == 1 || b[at-2] == '\n' {
			return at + 1, at + 1, nil
		}
		from = at + 1
	}
}

// parse reads a head that is whole, into h, whose slices are used again.
func (h *head) parse(b []byte, maxFields int) error {
	*h = head{fields: h.fields[:0], named: h.named[:0], trailer: h.trailer[:0], length: -1}
	line, rest, _ := bytes.Cut(b, crlf)
	if err := h.statusLine(line); err != nil {
		return err
	}
	rest = rest[:len(rest)-len(crlf)] // the empty line
	var err error
	if h.fields, err = appendFields(h.fields, rest, maxFields); err != nil {
		return err
	}
	return h.frame()
}

var crlf = []byte("\r\n")

// statusLine reads HTTP/1.x, a space, three digits, and a reason that nobody
// reads (RFC 9112 §4). The space before an empty reason may be missing, as many
// leave it out.
func (h *head) statusLine(line []byte) error {
	const least = len("HTTP/1.1 200")
	if len(line) < least || string(line[:7]) != "HTTP/1." || line[7] != '1' && line[7] != '0' || line[8] != ' ' {
		return malformed("its status line is none")
	}
	h.old = line[7] == '0'
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return malformed("its status is none")
		}
		h.status = h.status*10 + int(c-'0')
	}
	if h.status < 100 || len(line) > least && line[least] != ' ' || !isValue(line[least:]) {
		return malformed("its status line is none")
	}
	return nil
}

// appendFields reads field lines, all ended by CR LF.
func appendFields(fields []Field, b []byte, most int) ([]Field, error) {
	text := string(b) // one copy for all; names and values are parts of it
	for text != "" {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		if len(fields) == most {
			return fields, malformed("it has more than %d fields", most)
		}
		line = line[:len(line)-1] // CR
		colon := strings.IndexByte(line, ':')
		if colon < 0 {
			return fields, malformed("a line of its head has no colon")
		}
		name := canonical(line[:colon])
		if name == "" { // a folded line is none either, by the space that it begins with
			return fields, malformed("a field has a name that is none")
		}
		value := trim(line[colon+1:])
		if !isValue(value) {
			return fields, malformed("the field %s has a control character", name)
		}
		fields = append(fields, Field{name, value})
	}
	return fields, nil
}

// frame finds out what the fields say about the message itself, and takes those
// out that are for this connection alone (RFC 9110 §7.6.1).
func (h *head) frame() error {
	encodings := 0
	pragma, control := -1, false
	kept := h.fields[:0]
	for _, f := range h.fields {
		switch f.Name {
		case "Content-Length":
			h.lengths++
			n, ok := parseLength(f.Value)
			if !ok {
				return malformed("its Content-Length is none")
			}
			h.length = n
		case "Transfer-Encoding":
			encodings++
			if !strings.EqualFold(f.Value, "chunked") {
				return malformed("its Transfer-Encoding is not chunked")
			}
			h.chunked = true
			continue
		case "Connection":
			h.connection(f.Value)
			continue
		case "Trailer":
			if err := h.announce(f.Value); err != nil {
				return err
			}
			continue
		case "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Upgrade":
			continue
		case "Pragma":
			if pragma < 0 {
				pragma = len(kept)
			}
		case "Cache-Control":
			control = true
		}
		kept = append(kept, f)
	}
	if h.lengths > 1 || encodings > 1 || h.lengths > 0 && encodings > 0 || encodings > 0 && h.old {
		return malformed("its framing has more than one reading")
	}
	if pragma >= 0 && !control && kept[pragma].Value == "no-cache" {
		kept = append(kept, Field{"Cache-Control", "no-cache"}) // as net/http reads it (RFC 7234 §5.4)
	}
	h.fields = kept
	if len(h.named) > 0 {
		h.dropNamed()
	}
	return nil
}

// connection reads the options of Connection.
func (h *head) connection(value string) {
	for option := range strings.SplitSeq(value, ",") {
		option = trim(option)
		switch {
		case strings.EqualFold(option, "close"):
			h.close = true
		case option == "" || strings.EqualFold(option, "keep-alive"):
		default:
			h.named = append(h.named, textproto.CanonicalMIMEHeaderKey(option))
		}
	}
}

func (h *head) dropNamed() {
	kept := h.fields[:0]
	for _, f := range h.fields {
		named := false
		for _, name := range h.named {
			named = named || name == f.Name
		}
		if !named {
			kept = append(kept, f)
		}
	}
	h.fields = kept
}

// announce reads the names of Trailer. A trailer cannot frame (RFC 9110 §6.5.1).
func (h *head) announce(value string) error {
	for name := range strings.SplitSeq(value, ",") {
		name = textproto.CanonicalMIMEHeaderKey(trim(name))
		switch name {
		case "":
		case "Transfer-Encoding", "Content-Length", "Trailer":
			return malformed("it announces the trailer %s", name)
		default:
			h.trailer = append(h.trailer, name)
		}
	}
	return nil
}

// parseLength reads digits, nothing else.
func parseLength(s string) (int64, bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// canonical returns a field name as net/http spells it; "" if it is none.
func canonical(name string) string {
	upper, same := true, true
	for i := range len(name) {
		c := name[i]
		if !tokens[c] {
			return ""
		}
		if upper && 'a' <= c && c <= 'z' || !upper && 'A' <= c && c <= 'Z' {
			same = false
		}
		upper = c == '-'
	}
	if same {
		return name
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

// tokens tells which bytes a token is made of (RFC 9110 §5.6.2).
var tokens = func() (set [256]bool) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		set[c] = true
	}
	return set
}()

func isToken(s string) bool {
	for i := range len(s) {
		if !tokens[s[i]] {
			return false
		}
	}
	return s != ""
}

// isValue reports whether s has none but the bytes of a field value (RFC 9110
// §5.5): no control characters but tabs.
func isValue[T string | []byte](s T) bool {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		b := s[i : i+8]
		eight := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		if !visible(eight) && !isValueBytewise(b) {
			return false
		}
	}
	return isValueBytewise(s[i:])
}

func isValueBytewise[T string | []byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// visible reports whether none of eight bytes is below the space, or DEL: what
// subtracting from such a byte borrows is seen in its highest bit, unless the byte
// had that itself.
func visible(eight uint64) bool {
	const each = 0x0101010101010101
	del := eight ^ 0x7f*each
	return ((eight-' '*each)&^eight|(del-each)&^del)&(0x80*each) == 0
}

// trim removes optional white space from both ends.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
