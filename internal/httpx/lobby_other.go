//go:build !linux

package httpx

// resting is nobody: here connections stay with net/http.
type resting struct{}

func (*resting) add(*Lobby, rester) bool { return false }

func (*resting) end() {}
