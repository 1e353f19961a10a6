package relay

import "bytes"

// Limits of what comes in chunks beside data. They are not above net/http's.
const (
	maxChunkLine = 1 << 10  // size and extensions
	maxWaste     = 16 << 10 // what is not data, beyond 16 bytes for each chunk and twice the data
	maxTrailers  = 8 << 10
)

// chunks is where in a chunked body (RFC 9112 §7.1) the reader is.
type chunks struct {
	state chunkState
	left  int64 // of this chunk's data
	waste int64
}

type chunkState int

const (
	atSize chunkState = iota
	inData
	atDataEnd
	atTrailers
	ended
)

// decode reads b, and writes what is data to b's own beginning. It returns how
// much that is and how much of b was read; what was not read is the beginning of
// something that has not come whole.
func (c *chunks) decode(b []byte, trailers func([]byte) error) (data, read int, err error) {
	for {
		rest := b[read:]
		switch c.state {
		case atSize:
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				if len(rest) > maxChunkLine {
					return data, read, malformed("a chunk's size is too long")
				}
				return data, read, nil
			}
			if err := c.size(rest[:i+1]); err != nil {
				return data, read, err
			}
			read += i + 1
		case inData:
			n := int(min(c.left, int64(len(rest))))
			if n == 0 {
				return data, read, nil
			}
			if data != read {
				copy(b[data:], rest[:n])
			}
			data, read, c.left = data+n, read+n, c.left-int64(n)
			if c.left == 0 {
				c.state = atDataEnd
			}
		case atDataEnd:
			if len(rest) < 2 {
				return data, read, nil
			}
			if rest[0] != '\r' || rest[1] != '\n' {
				return data, read, malformed("a chunk is longer than it says")
			}
			read += 2
			c.state = atSize
		case atTrailers:
			end, _, err := headEnd(rest, 0)
			if err != nil {
				return data, read, err
			}
			if end > maxTrailers || end < 0 && len(rest) > maxTrailers {
				return data, read, malformed("its trailers are too long")
			}
			if end < 0 {
				return data, read, nil
			}
			if err := trailers(rest[:end-2]); err != nil {
				return data, read, err
			}
			read += end
			c.state = ended
		case ended:
			return data, read, nil
		}
	}
}

// size reads a line with the size of a chunk: hexadecimal digits, and extensions,
// which mean nothing here.
func (c *chunks) size(line []byte) error {
	if len(line) < 3 || len(line) > maxChunkLine || line[len(line)-2] != '\r' {
		return malformed("a chunk's size is none")
	}
	text := line[:len(line)-2]
	if !isValue(text) {
		return malformed("a chunk's size has a control character")
	}
	digits, _, extended := bytes.Cut(text, []byte(";"))
	if !extended {
		digits = bytes.TrimRight(digits, " \t") // some servers pad it
	}
	if len(digits) == 0 || len(digits) > 15 {
		return malformed("a chunk's size is none")
	}
	c.left = 0
	for _, d := range digits {
		switch {
		case '0' <= d && d <= '9':
			c.left = c.left<<4 | int64(d-'0')
		case 'a' <= d && d <= 'f':
			c.left = c.left<<4 | int64(d-'a'+10)
		case 'A' <= d && d <= 'F':
			c.left = c.left<<4 | int64(d-'A'+10)
		default:
			return malformed("a chunk's size is none")
		}
	}
	c.waste = max(0, c.waste+int64(len(text))+2-16-2*min(c.left, 1<<40))
	if c.waste > maxWaste {
		return malformed("it is more frames than data")
	}
	c.state = inData
	if c.left == 0 {
		c.state = atTrailers
	}
	return nil
}
