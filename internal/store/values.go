package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// millis is t as it is stored: 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// timeInto scans what millis wrote.
type timeInto struct{ t *time.Time }

// Scan implements [sql.Scanner].
func (into timeInto) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a time is stored as %T", src)
	}
	*into.t = time.Time{}
	if n != 0 {
		*into.t = time.UnixMilli(n).UTC()
	}
	return nil
}

// durationInto scans a duration that is stored as a number of units.
type durationInto struct {
	d    *time.Duration
	unit time.Duration
}

// Scan implements [sql.Scanner].
func (into durationInto) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a duration is stored as %T", src)
	}
	*into.d = time.Duration(n) * into.unit
	return nil
}

// optionalMillis is a duration that may be absent: NULL then.
func optionalMillis(d *time.Duration) any {
	if d == nil {
		return nil
	}
	return d.Milliseconds()
}

// optionalInto scans what optionalMillis wrote.
type optionalInto struct{ d **time.Duration }

// Scan implements [sql.Scanner].
func (into optionalInto) Scan(src any) error {
	*into.d = nil
	if src == nil {
		return nil
	}
	*into.d = new(time.Duration)
	return durationInto{*into.d, time.Millisecond}.Scan(src)
}

// listJSON is a list as a JSON array.
func listJSON[T any](list []T) (string, error) {
	if len(list) == 0 {
		return "[]", nil
	}
	text, err := json.Marshal(list)
	return string(text), err
}

// jsonInto scans what listJSON wrote into a slice that is empty; the empty list
// leaves it nil.
type jsonInto struct{ list any }

// Scan implements [sql.Scanner].
func (into jsonInto) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("a list is stored as %T", src)
	}
	if text == "[]" {
		return nil
	}
	return json.Unmarshal([]byte(text), into.list)
}

// hashInto scans a hash.
type hashInto struct{ h *market.Hash }

// Scan implements [sql.Scanner].
func (into hashInto) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(into.h) {
		return fmt.Errorf("a hash is stored as %T of another length", src)
	}
	copy(into.h[:], b)
	return nil
}

// blob is b, never NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
