package gateway

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// frame is a frame of a WebSocket with that payload.
func frame(opcode byte, masked bool, payload []byte) []byte {
	b := []byte{opcode}
	bit := byte(0)
	if masked {
		bit = 0x80
	}
	switch n := len(payload); {
	case n < 126:
		b = append(b, bit|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, bit|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, bit|127), uint64(n))
	}
	if masked {
		b = append(b, 9, 8, 7, 6)
	}
	return append(b, payload...)
}

func TestFramesAreFollowedHoweverTheyCome(t *testing.T) {
	for _, masked := range []bool{false, true} {
		var all []byte
		ends := map[int]bool{0: true}
		for _, size := range []int{0, 1, 125, 126, 300, 1<<16 - 1, 1 << 16} {
			for _, opcode := range []byte{0x01, 0x80, 0xc2} { // begun, ended, and one of an extension
				all = append(all, frame(opcode, masked, make([]byte, size))...)
				ends[len(all)] = true
			}
		}
		all = append(all, frame(0x89, masked, []byte("ping"))...)
		ends[len(all)] = true
		for _, most := range []int{1, 2, 3, 7, 1000, 1 << 20} {
			f := frames{masked: masked}
			for at := 0; at < len(all); {
				part := all[at:min(len(all), at+most)]
				n := f.step(part)
				if n == 0 || n < len(part) && !ends[at+n] {
					t.Fatalf("parts of %d: it stops at %d", most, at+n)
				}
				at += n
				if f.between() != ends[at] {
					t.Fatalf("parts of %d: at %d between frames is %t", most, at, f.between())
				}
			}
			if f.ended || f.lost {
				t.Fatalf("parts of %d: %+v", most, f)
			}
			f.pass(frame(0x88, masked, []byte{3, 0xe8}))
			if !f.ended || !f.between() {
				t.Errorf("parts of %d: a Close is not seen", most)
			}
		}
	}
}

func TestWhatIsNoFrameIsNotFollowed(t *testing.T) {
	for name, text := range map[string]string{
		"text":                       "hello, there is no frame here",
		"an opcode that is none":     "\x83\x00",
		"a Close in parts":           "\x08\x00",
		"a Ping that is too long":    "\x89\x7e\x01\x00",
		"masked by a server":         "\x81\x80\x00\x00\x00\x00",
		"a length with its sign bit": "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		f := frames{}
		f.pass([]byte(text))
		if !f.lost || f.between() {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// recorded is a connection that keeps what is written to it.
type recorded struct{ bytes.Buffer }

func (*recorded) Close() error               { return nil }
func (*recorded) Read(p []byte) (int, error) { return 0, io.EOF }

// Whatever is sent, and in whichever parts, a node that leaves changes nothing of it,
// but that a Close may stand behind a frame that is whole, and nothing behind that.
func FuzzAFarewellComesBetweenFrames(f *testing.F) {
	f.Add(append(frame(0x01, false, []byte("hello")), frame(0x80, false, make([]byte, 200))...), 3, 9)
	f.Add([]byte("no frames"), 1, 1)
	f.Add(frame(0x88, false, nil), 2, 1)
	f.Fuzz(func(t *testing.T, all []byte, part, leave int) {
		out := &recorded{}
		tunnel := newTunnel()
		tunnel.caller.ReadWriteCloser, tunnel.upstream.ReadWriteCloser = out, &recorded{}
		part = max(1, part%64)
		for at := 0; at < len(all); at += part {
			if at/part == leave {
				tunnel.leaving.Store(true)
				tunnel.caller.farewell()
			}
			p := all[at:min(len(all), at+part)]
			if n, err := tunnel.caller.Write(p); n != len(p) || err != nil {
				t.Fatalf("%d of %d, %v", n, len(p), err)
			}
		}
		farewell := []byte{0x88, 2, 3, 0xe9}
		sent, told := bytes.CutSuffix(out.Bytes(), farewell)
		if told && tunnel.caller.closed && !bytes.HasPrefix(all, out.Bytes()) {
			var at frames
			if at.pass(sent); !at.between() || at.ended {
				t.Fatalf("%x is said within %x", farewell, all)
			}
		} else {
			sent = out.Bytes()
		}
		if !bytes.HasPrefix(all, sent) || !tunnel.caller.closed && len(sent) != len(all) {
			t.Fatalf("%x became %x", all, out.Bytes())
		}
	})
}

func TestHalfAnEndIsPassedOnWhereItCanBe(t *testing.T) {
	s := side{ReadWriteCloser: &recorded{}}
	if err := s.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}
