package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Names of clients and secrets in internal/server's crowd.
func clientID(i int) string  { return fmt.Sprintf("client%026d", i) }
func secret(i, n int) string { return fmt.Sprintf("spprd_%043d%06d", i, n) }

// The dead secrets of the first apps there.
const (
	expiredSecret = 1000
	revokedSecret = 1001
)

const (
	rfcPath = "/oauth2/token"
	v2Path  = "/apip/auth/v2/token"
)

// request is a token request, as it goes over the wire.
func request(path, client, text string) []byte {
	body := "grant_type=client_credentials&client_id=" + client + "&client_secret=" + text
	var b strings.Builder
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	return []byte(b.String())
}

// spread is how many different clients a load has at most: enough that no cache
// of a processor holds all that they need.
const spread = 20_000

// requests are those of clients of an environment, spread over all apps. Even
// ones are in production, odd ones in sandbox.
func requests(environment string, apps int, build func(i int) []byte) [][]byte {
	out := make([][]byte, 0, min(apps/2, spread))
	step := max(1, apps/2/spread)
	for i := 0; i < apps/2 && len(out) < spread; i += step {
		app := 2 * i
		if environment == "sandbox" {
			app++
		}
		out = append(out, build(app))
	}
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] }) //nolint:gosec // an order, no secret
	return out
}
