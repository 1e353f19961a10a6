package upstream

import "time"

// callersWindow is for how long an answer to somebody says that others are answered.
const callersWindow = 10 * time.Second

// callers remembers who called last, and who did before that, if it was somebody else:
// enough to tell whether anybody called beside the one that is asked about. Those
// without a name are one here.
type callers struct {
	last, other     string
	lastAt, otherAt time.Time
}

// saw remembers a call by who.
func (c *callers) saw(who string, now time.Time) {
	if who != c.last {
		c.other, c.otherAt = c.last, c.lastAt
	}
	c.last, c.lastAt = who, now
}

// beside reports whether somebody else than who called since then.
func (c *callers) beside(who string, since time.Time) bool {
	return c.last != who && c.lastAt.After(since) || c.other != who && c.otherAt.After(since)
}

// anybody reports whether somebody called since then.
func (c *callers) anybody(since time.Time) bool { return c.lastAt.After(since) }
