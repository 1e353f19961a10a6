package server

import "github.com/sallyport-dev/sallyport/internal/authserver"

// SignBy makes all environments wait for turns to sign that the test gives out.
func (s *Server) SignBy(t *authserver.Turns) {
	for _, e := range s.environments {
		e.auth.Turns = t
	}
}
