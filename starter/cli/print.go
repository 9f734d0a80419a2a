package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// The formats of -o.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatYAML  = "yaml"
)

var formats = []string{formatTable, formatJSON, formatYAML}

// printsData adds -o to a command.
func (a *app) printsData(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVarP(&a.format, "output", "o", a.format, strings.Join(formats, ", "))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains(formats, a.format) {
			return usageError{fmt.Errorf("--output %q: use one of %s", a.format, strings.Join(formats, ", "))}
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
	return cmd
}

// print writes data as -o asks: as a whole in JSON and YAML, or what table shows of it.
func (a *app) print(data any, table func(io.Writer)) error {
	switch a.format {
	case formatJSON:
		encoder := json.NewEncoder(a.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(data)
	case formatYAML:
		text, err := yaml.Marshal(data)
		if err != nil {
			return err
		}
		_, err = a.out.Write(text)
		return err
	}
	table(a.out)
	return nil
}
