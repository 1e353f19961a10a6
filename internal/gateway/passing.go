package gateway

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/sallyport-dev/sallyport/internal/httpx"
)

// clientBody is the caller's body on its way. It remembers whether it could be
// read: if not, it is no fault of the upstream's.
type clientBody struct {
	io.ReadCloser
	streams       bool
	broken, whole atomic.Bool
	mu            sync.Mutex // held while it is read
	ended         bool

	keeps bool   // what was read is kept, to be read again; see [clientBody.rewind]
	kept  []byte // what was
	again []byte // of kept, what is to be read before the rest
}

var errCallEnded = errors.New("the call has ended")

// Read implements io.Reader.
func (b *clientBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return 0, errCallEnded
	}
	if len(b.again) > 0 {
		n := copy(p, b.again)
		b.again = b.again[n:]
		return n, nil
	}
	n, err := b.ReadCloser.Read(p)
	if b.keeps {
		b.keep(p[:n])
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.broken.Store(true)
	}
	if errors.Is(err, io.EOF) {
		b.whole.Store(true)
	}
	return n, err
}

// answering is called before the answer begins. If the body has not all come by
// then, the caller's connection is not used again after it: net/http would look
// for a request behind a body that it could not read.
func (b *clientBody) answering(c *call) {
	httpx.Answering(b.ReadCloser)
	if b.streams && !b.whole.Load() && c.r.ProtoMajor == 1 {
		c.w.Header()["Connection"] = []string{"close"}
	}
}

// leave keeps whoever still sends the body from reading more of it, and bounds
// how long net/http will: it is net/http's again.
func (b *clientBody) leave(c *call) {
	if b.whole.Load() {
		return
	}
	httpx.StopBody(c.w)
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	httpx.LeaveBody(c.w)
}

// maxKept bounds what of a body is kept.
const maxKept = 64 << 10

func (b *clientBody) keep(p []byte) {
	if len(b.kept)+len(p) > maxKept {
		b.keeps, b.kept = false, nil
		return
	}
	b.kept = append(b.kept, p...)
}

// rewind makes the body be read from its beginning again, if that can be.
func (b *clientBody) rewind() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.again = b.kept
	return b.keeps
}

// bufferPool lends the buffers that bodies are copied through.
type bufferPool struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (b *bufferPool) Get() []byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return *buf
	}
	return make([]byte, copyBuffer)
}

// Put implements httputil.BufferPool.
func (b *bufferPool) Put(buf []byte) { b.pool.Put(&buf) }
