// Command build builds the pinned tools that tests, demo and checks run, and prints where they are.
//
//	go run ./tools/build [-path] [name…]
//	go run ./tools/build -clean
//
// A name is a tool or a group (testbed, lint); without names it builds all. Progress goes to stderr, the result to
// stdout: a line `name path` for each tool, or with -path the paths alone. -clean removes all that was built, for every
// checkout of this user. $FLOE_CACHE moves the cache.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"floe.dev/floe/internal/testbed/toolchain"
)

func main() {
	pathOnly := flag.Bool("path", false, "print paths alone")
	clean := flag.Bool("clean", false, "remove all that was built from the cache")
	flag.Usage = func() {
		fmt.Fprintf(os.Stderr, "usage: go run ./tools/build [-path] [name…]\n\nnames: %s, and the groups %s and %s\n",
			strings.Join(toolchain.Names(), ", "), toolchain.GroupTestbed, toolchain.GroupLint)
		flag.PrintDefaults()
	}
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *clean {
		if err := toolchain.Clean(); err != nil {
			fail(err)
		}
		return
	}
	paths, err := toolchain.Ensure(ctx, flag.Args(), os.Stderr)
	if err != nil {
		fail(err)
	}
	for _, name := range toolchain.Names() {
		path, ok := paths[name]
		switch {
		case !ok:
		case *pathOnly:
			fmt.Println(path)
		default:
			fmt.Println(name, path)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "tools/build:", err)
	os.Exit(1)
}
