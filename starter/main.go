// floe is Floe's command line: everything that starts, signals or asks, and the programs beside the worker (the
// watcher, the simulated AWS, the demo).
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"floe.dev/floe/starter/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
