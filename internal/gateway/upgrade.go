package gateway

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// lookAgain is how often an upgraded connection is asked whether it may go on.
const lookAgain = time.Second

// upgrade refuses to change protocols, but for WebSocket at an upstream whose
// manifest lets it: what is said after an upgrade is no request, and nothing of
// it is checked. The upgrade to HTTP/2 (h2c) would let requests pass that were
// never matched, and is gone from the standard (RFC 9113 §3.1).
func (g *Gateway) upgrade(c *call) error {
	asked := c.r.Header["Upgrade"]
	if len(asked) == 0 {
		return nil
	}
	taken := c.target != nil && c.target.upstream.WebSocket
	switch {
	case !taken:
		return badBody("This API takes no protocol upgrades. Send the request without the header Upgrade").about("Upgrade")
	case len(asked) > 1 || !strings.EqualFold(asked[0], "websocket"):
		return badBody("This API takes no protocol upgrade but to websocket").about("Upgrade")
	case c.r.Method != http.MethodGet || c.r.ContentLength != 0:
		return badBody("A WebSocket begins with a GET that has no body").about("Upgrade")
	}
	return nil
}

// whileEntitled returns a context that ends when the caller of c may no longer
// call: the token has ended or was revoked, or what stands behind it. An upgraded
// connection would outlive all of that.
func (g *Gateway) whileEntitled(ctx context.Context, c *call) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		ticker := time.NewTicker(lookAgain)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if g.entitled(c) != nil {
					cancel()
				}
			}
		}
	}()
	return ctx, cancel
}

// entitled asks again what was asked at the beginning of c, by what is so now.
func (g *Gateway) entitled(c *call) error {
	again := &call{r: c.r, api: c.api, resources: c.resources, public: c.public, asked: true} // a proof is for the beginning
	if err := g.authenticate(again); err != nil {
		return err
	}
	return g.entitle(again)
}
