package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/api"
)

// epoch reads a not-before: "now", a second since 1970, or a time.
func epoch(text string) (api.EpochSecond, error) {
	if text == "now" {
		return api.Now, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return api.EpochSecond(n), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil && t.Unix() >= 0 {
		return api.EpochSecond(t.Unix()), nil
	}
	return 0, usagef("%q is not a moment: give now, a second since 1970, or a time such as 2030-01-31T00:00:00Z", text)
}

// moment reads when something ends: "never", "now", a time, or how long from
// now, such as 90d or 36h.
func (p *Program) moment(text string) (time.Time, error) {
	switch text {
	case "never":
		return time.Time{}, nil
	case "now":
		return p.Now(), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	if d, ok := span(text); ok {
		return p.Now().Add(d).UTC().Truncate(time.Second), nil
	}
	return time.Time{}, usagef("%q is not a moment: give never, now, a time such as 2030-01-31T00:00:00Z, or how long from now, such as 90d", text)
}

// past reads a bound of the past: a time, or how long ago, such as 7d.
func (p *Program) past(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	if d, ok := span(text); ok {
		return p.Now().Add(-d), nil
	}
	return time.Time{}, usagef("--%s is %q: give a time such as 2030-01-31T00:00:00Z, or how long ago, such as 7d", flag, text)
}

// span reads a duration, in days too.
func span(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err == nil && n >= 0 && n <= 36500
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}

// seconds turns the duration of a flag into whole seconds.
func seconds(flag string, d time.Duration) (api.Seconds, error) {
	if d%time.Second != 0 {
		return 0, usagef("--%s is %v: it must be whole seconds", flag, d)
	}
	return api.SecondsOf(d), nil
}
