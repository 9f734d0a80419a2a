package cli

import (
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"floe.dev/floe/internal/version"
)

func versionCommand(a *app) *cobra.Command {
	return a.printsData(&cobra.Command{
		Use:     "version",
		Short:   "Show the version of floe",
		Example: "  floe version -o json",
		Args:    args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			data := map[string]string{
				"version": version.String(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
			}
			return a.print(data, func(w io.Writer) {
				fmt.Fprintf(w, "floe %s (%s, %s)\n", data["version"], data["go"], data["platform"])
			})
		},
	})
}
