package httpx

import (
	"crypto/tls"
	"errors"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"
)

// resting is who waits in the lobby, and one goroutine that waits for all of them. The
// zero resting is empty.
type resting struct {
	mu    sync.Mutex
	epoll int // its descriptor, if there was anyone yet
	open  bool
	ended bool
	who   map[int32]rester // by descriptor
	came  int              // since memory was given back
	last  int              // of came, at the last look
	again time.Time        // when it may be once more
}

const (
	// look is how often those whose time is over are looked for.
	look = 250 * time.Millisecond
	// many is how many have to have come, and then none for a look, before what
	// net/http held for them is collected and given back to the system.
	many = 1000
	// seldom bounds how often that is done: it costs two collections, of which the
	// pause until the next is a multiple.
	seldom    = 2 * time.Second
	seldomFor = 20
	// goodbye is how long the end of the server waits for clients to take theirs.
	goodbye = time.Second
)

// add takes a connection in, if it can be waited for.
func (w *resting) add(l *Lobby, r rester) bool {
	fd, ok := descriptor(r)
	if !ok {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended || !w.start(l) {
		return false
	}
	e := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT, Fd: fd}
	if syscall.EpollCtl(w.epoll, syscall.EPOLL_CTL_ADD, int(fd), &e) != nil {
		return false
	}
	w.who[fd] = r
	w.came++
	return true
}

// start starts to wait, if nobody does yet.
func (w *resting) start(l *Lobby) bool {
	if w.open {
		return true
	}
	var err error
	if w.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return false
	}
	w.open, w.who = true, map[int32]rester{}
	go w.wait(l)
	return true
}

// wait wakes those on whose connections something comes, and closes those that have
// waited for too long. It ends once nobody is there, so that an idle process sleeps.
func (w *resting) wait(l *Lobby) {
	events := make([]syscall.EpollEvent, 128)
	for looked := time.Now(); ; { //nolint:forbidigo // the network's clock
		n, err := syscall.EpollWait(w.epoll, events, int(look.Milliseconds()))
		if err != nil && !errors.Is(err, syscall.EINTR) {
			time.Sleep(look) // it has no reason to; but it must not spin
		}
		for _, e := range events[:max(n, 0)] {
			if r, ok := w.take(e.Fd); ok {
				r.wake(l)
			}
		}
		if now := time.Now(); now.Sub(looked) >= look { //nolint:forbidigo // as above
			looked = now
			if !w.sweep(now) {
				return
			}
		}
	}
}

// take takes one out.
func (w *resting) take(fd int32) (rester, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.who[fd]
	if ok {
		delete(w.who, fd)
		_ = syscall.EpollCtl(w.epoll, syscall.EPOLL_CTL_DEL, int(fd), nil)
	}
	return r, ok
}

// sweep closes those whose time is over, and reports whether it is to go on.
func (w *resting) sweep(now time.Time) bool {
	over, others := w.over(now)
	hangUp(over)
	return others
}

// over takes out those whose time is over.
func (w *resting) over(now time.Time) (over []rester, others bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.who, func(_ int32, r rester) bool {
		ends := !r.until.IsZero() && r.until.Before(now)
		if ends {
			over = append(over, r)
		}
		return ends
	})
	if w.came >= many && w.came == w.last && now.After(w.again) {
		w.came, w.again = 0, now.Add(time.Hour)
		go w.giveBack()
	}
	w.last = w.came
	if len(w.who) > 0 || w.came >= many && !w.ended {
		return over, true
	}
	_ = syscall.Close(w.epoll)
	w.open = false
	return over, false
}

// hangUp closes connections. Goodbye over TLS has to be taken by the client, which may
// let us wait for it: nobody waits for that but who asks for it.
func hangUp(who []rester) *sync.WaitGroup {
	var goodbyes sync.WaitGroup
	for _, r := range who {
		if _, ok := r.Conn.(*tls.Conn); ok {
			goodbyes.Go(func() { _ = r.Close() })
		} else {
			_ = r.Close()
		}
	}
	return &goodbyes
}

// giveBack collects what net/http held. Its buffers are in a sync.Pool, which lets go
// of them at the second collection.
func (w *resting) giveBack() {
	began := time.Now() //nolint:forbidigo // how long it takes
	runtime.GC()
	debug.FreeOSMemory()
	took := time.Since(began) //nolint:forbidigo // as above
	w.mu.Lock()
	defer w.mu.Unlock()
	w.again = began.Add(max(seldom, seldomFor*took))
}

// end closes all of them, and takes no more.
func (w *resting) end() {
	w.mu.Lock()
	w.ended = true
	all := slices.Collect(maps.Values(w.who))
	clear(w.who)
	w.mu.Unlock()
	said := make(chan struct{})
	goodbyes := hangUp(all)
	go func() {
		goodbyes.Wait()
		close(said)
	}()
	select {
	case <-said:
	case <-time.After(goodbye):
	}
}

// descriptor returns that of a connection's socket.
func descriptor(r rester) (fd int32, ok bool) {
	socket, ok := r.socket.(syscall.Conn)
	if !ok {
		return 0, false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(n uintptr) { fd = int32(n) }) //nolint:gosec // a descriptor is small
	return fd, err == nil
}
