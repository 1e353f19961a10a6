package server

// headroom is how much the heap may grow before it is collected for the first time,
// and from then on beside doubling.
const headroom = 64 << 20

// Headroom is memory that is held and never touched, so that it takes addresses and
// no memory, and that counts as heap that lives. What lives of a small installation
// is ten megabytes, and the collector, which runs each time the heap has doubled,
// would run some fifteen times a second under load: a tenth to a fifth of what a
// cheap request costs.
//
// The caller keeps it alive for as long as the process serves. It is nil if the
// operator has set GOGC or GOMEMLIMIT: then those hold as they are.
func Headroom(getenv func(string) string) []byte {
	if getenv("GOGC") != "" || getenv("GOMEMLIMIT") != "" {
		return nil
	}
	return make([]byte, headroom)
}
