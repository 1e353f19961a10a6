// Command sallyport is the API marketplace: token service, gateway, portal and
// management API in one process, and the command line that operates them.
package main

import (
	"context"
	"io"
	"log" //nolint:depguard // to silence it
	"os"
	"os/signal"
	"syscall"

	"github.com/sallyport-dev/sallyport/internal/cli"
)

func main() {
	// The standard library prints what upstreams send out of turn: never that.
	log.SetOutput(io.Discard)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := cli.Run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
