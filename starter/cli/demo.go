package cli

import (
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"floe.dev/floe/starter/demo"
)

func demoCommand(a *app) *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the main job on real control planes, on this machine",
		Long: `Show the main job on real control planes, on this machine: a Kubernetes control plane, a Temporal server, a MongoDB-wire
store, the simulated AWS, a worker and a watcher start as separate processes; 60 pods go from Pending to Running while
the first step of the chain is out of capacity; a report says what was bought and why.

It needs Go 1.26 and Floe's checkout: the programs that are not there yet are built once. Nothing is left behind but
their cache. The status is 0 only if everything that should run, runs.`,
		Example: "  floe demo\n  floe demo --keep     # stays up until Ctrl-C",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out, o.Bin = a.out, siblings()
			return demo.Run(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.Keep, "keep", false, "stay up until Ctrl-C after the report")
	flags.BoolVar(&o.Plain, "plain", false, "plain lines on a terminal, too")
	flags.DurationVar(&o.Timeout, "timeout", 3*time.Minute, "how long the pods may take to run")
	return cmd
}

// siblings is the folder of this program if the worker is there too, else empty: then both are built.
func siblings() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	dir := filepath.Dir(self)
	for _, name := range []string{"worker", "floe"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() {
			return ""
		}
	}
	return dir
}
