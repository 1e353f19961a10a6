package snapshot

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

type record struct {
	name    string
	version int
}

// A table is a map, whatever happens to it: also when many keys have one hash.
func TestATableHoldsWhatAMapWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, want := newTable(func(r *record) string { return r.name }), map[string]*record{}
		table.hash = func(key string) uint64 { return uint64(len(key)) } // 0 to 9 have one
		version := 0
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				version++
				r := &record{strconv.Itoa(rapid.IntRange(0, 30).Draw(t, "key")), version}
				want[r.name] = r
				if at := table.put(r); table.rows[at] != r {
					t.Fatalf("row %d is not that of %v", at, r)
				}
			},
			"drop": func(t *rapid.T) {
				key := strconv.Itoa(rapid.IntRange(0, 30).Draw(t, "key"))
				delete(want, key)
				table.drop(key)
			},
			"": func(t *rapid.T) {
				for i := range 31 {
					if key := strconv.Itoa(i); table.get(key) != want[key] {
						t.Fatalf("%s is %v, want %v", key, table.get(key), want[key])
					}
				}
				if table.len() != len(want) {
					t.Fatalf("%d rows of which %d are free, for %d records", len(table.rows), len(table.free), len(want))
				}
			},
		})
	})
}
