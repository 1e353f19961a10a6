package snapshot

import (
	"hash/maphash"
	"slices"
	"strings"
	"unique"
)

// table holds records by a text that each has. The collector of garbage looks
// through all that lives, again and again, so there is one pointer for each record
// here, and none in what it is found by. Create it with [newTable].
type table[T any] struct {
	key   func(*T) string
	hash  func(string) uint64
	rows  []*T // nil: free
	free  []uint32
	first map[uint64]uint32   // hash of a key → row
	more  map[uint64][]uint32 // further rows whose keys have the same hash; there are hardly ever any
}

func newTable[T any](key func(*T) string) *table[T] {
	seed := maphash.MakeSeed()
	hash := func(key string) uint64 { return maphash.String(seed, key) }
	return &table[T]{key: key, hash: hash, first: map[uint64]uint32{}, more: map[uint64][]uint32{}}
}

// get returns the record with that key, nil if there is none.
func (t *table[T]) get(key string) *T {
	at, ok := t.find(key)
	if !ok {
		return nil
	}
	return t.rows[at]
}

func (t *table[T]) find(key string) (at uint32, ok bool) {
	h := t.hash(key)
	at, ok = t.first[h]
	if !ok || t.key(t.rows[at]) == key {
		return at, ok
	}
	for _, at := range t.more[h] {
		if t.key(t.rows[at]) == key {
			return at, true
		}
	}
	return 0, false
}

func (t *table[T]) len() int { return len(t.rows) - len(t.free) }

// put puts a record in, in the place of one with the same key, and returns its row.
func (t *table[T]) put(record *T) uint32 {
	key := t.key(record)
	at, known := t.find(key)
	if known {
		t.rows[at] = record
		return at
	}
	if n := len(t.free); n > 0 {
		at, t.free = t.free[n-1], t.free[:n-1]
		t.rows[at] = record
	} else {
		at = uint32(len(t.rows)) //nolint:gosec // memory ends before
		t.rows = append(t.rows, record)
	}
	h := t.hash(key)
	if _, taken := t.first[h]; taken {
		t.more[h] = append(t.more[h], at)
	} else {
		t.first[h] = at
	}
	return at
}

// drop takes the record with that key out, if there is one.
func (t *table[T]) drop(key string) {
	at, ok := t.find(key)
	if !ok {
		return
	}
	h := t.hash(key)
	rest := t.more[h]
	if t.first[h] != at {
		rest = slices.DeleteFunc(rest, func(other uint32) bool { return other == at })
	} else if len(rest) > 0 {
		t.first[h], rest = rest[0], rest[1:]
	} else {
		delete(t.first, h)
	}
	if len(rest) > 0 {
		t.more[h] = rest
	} else {
		delete(t.more, h)
	}
	t.rows[at] = nil
	t.free = append(t.free, at)
}

// text is one string that holds all texts of a record: one object for the
// collector instead of many. The texts are added first, and taken in the same order
// once it is closed.
type text struct {
	b    strings.Builder
	rest string
}

func (t *text) add(parts ...string) {
	for _, s := range parts {
		t.b.WriteString(s)
	}
}

func (t *text) close() { t.rest = t.b.String() }

// take returns its next part, which is s.
func (t *text) take(s string) string {
	if s == "" {
		return "" // and not a place in the text
	}
	s, t.rest = t.rest[:len(s)], t.rest[len(s):]
	return s
}

// shared returns a text that many records have, as the same string for all.
func shared[S ~string](s S) S { return S(unique.Make(string(s)).Value()) }
