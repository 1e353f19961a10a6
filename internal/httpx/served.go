package httpx

import (
	"strconv"
	"time"

	"github.com/sallyport-dev/sallyport/internal/latency"
)

// Served counts the requests of a surface, by the first digit of their status. The
// zero Served has counted none.
type Served struct{ classes [6]latency.Counter }

// Class is the requests with one first digit of their status, since the start of the
// program.
type Class struct {
	Name  string // "2xx"
	Took  latency.Histogram
	Total time.Duration
}

// Classes returns what was counted.
func (s *Served) Classes() []Class {
	out := make([]Class, 0, len(s.classes)-1)
	for i := 1; i < len(s.classes); i++ {
		c := Class{Name: strconv.Itoa(i) + "xx"}
		c.Took, c.Total = s.classes[i].Load()
		out = append(out, c)
	}
	return out
}

func (s *Served) count(status int, took time.Duration) {
	if class := status / 100; s != nil && class > 0 && class < len(s.classes) {
		s.classes[class].Add(took)
	}
}
