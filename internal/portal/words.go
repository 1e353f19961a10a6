package portal

import (
	"strconv"
	"time"
)

// duration says a token's lifetime as the wire does and as people do:
// "3600 seconds (1 hour)".
func duration(d time.Duration) string {
	text := count(int64(d/time.Second), "second")
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return text + " (" + count(int64(d/time.Hour), "hour") + ")"
	case d >= time.Minute && d%time.Minute == 0:
		return text + " (" + count(int64(d/time.Minute), "minute") + ")"
	}
	return text
}

func count(n int64, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return strconv.FormatInt(n, 10) + " " + unit + "s"
}

// size says how large a body may be: "256 KiB".
func size(bytes int64) string {
	switch {
	case bytes >= 1<<20 && bytes%(1<<20) == 0:
		return strconv.FormatInt(bytes>>20, 10) + " MiB"
	case bytes >= 1<<10 && bytes%(1<<10) == 0:
		return strconv.FormatInt(bytes>>10, 10) + " KiB"
	}
	return count(bytes, "byte")
}
