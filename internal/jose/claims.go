package jose

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/strictjson"
)

// NumericDate is a moment in seconds since 1970 (RFC 7519 §2). Fractions, which
// some libraries write, are cut off.
type NumericDate int64

// UnmarshalJSON implements the decoder's interface.
func (d *NumericDate) UnmarshalJSON(data []byte) error {
	seconds, err := strconv.ParseFloat(string(data), 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return errors.New("not a number of seconds since 1970")
	}
	*d = NumericDate(math.Floor(seconds))
	return nil
}

// Time returns the moment as a time.
func (d NumericDate) Time() time.Time { return time.Unix(int64(d), 0) }

// Audience is the claim aud: one string, or several (RFC 7519 §4.1.3).
type Audience []string

// UnmarshalJSON implements the decoder's interface.
func (a *Audience) UnmarshalJSON(data []byte) error {
	var one string
	if err := strictjson.Unmarshal(data, &one); err == nil && data[0] == '"' {
		*a = Audience{one}
		return nil
	}
	return strictjson.Unmarshal(data, (*[]string)(a))
}
