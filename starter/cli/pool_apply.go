package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/starter/pools"
)

func poolApplyCommand(a *app) *cobra.Command {
	var (
		files  []string
		dryRun bool
	)
	cmd := a.printsData(&cobra.Command{
		Use:   "apply -f FILE",
		Short: "Check pools and put them into a cluster",
		Long: `Check pools and put them into a cluster by server-side apply.

The manifests are checked whole before anything is sent: unknown fields, values that are wrong and pools that no machine
can satisfy are refused, each with the field's path and what would be right.`,
		Example: `  floe pool apply -f pools.yaml
  floe pool apply -f general.yaml -f gpu.yaml --dry-run
  kubectl kustomize pools/ | floe pool apply -f -`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(files) == 0 {
				return usageError{errors.New("name the manifests with --filename; - is stdin")}
			}
			wanted, err := a.readPools(files)
			if err != nil {
				return err
			}
			cfg, cluster, err := a.config()
			if err != nil {
				return err
			}
			watch, err := watchingBy(cfg.Temporal)
			if err != nil {
				return err
			}
			_, client, err := a.kubernetes(cluster)
			if err != nil {
				return err
			}
			var results []pools.Applied
			for _, pool := range wanted {
				result, err := pools.Apply(cmd.Context(), client, pool, dryRun)
				if apierrors.IsNotFound(err) {
					return noCRD(cluster.Name)
				} else if err != nil {
					return explainKube(err, cluster.Name, "pool "+pool.Name)
				}
				results = append(results, result)
			}
			return a.print(results, func(w io.Writer) {
				printApplied(w, results, dryRun)
				if !dryRun && slices.ContainsFunc(results, func(r pools.Applied) bool { return r.Result != "unchanged" }) {
					fmt.Fprintf(w, "the cluster's Provisioner plans with it from now on; %s\n", watch.words(contract.ProvisionerID(cluster.Name)))
				}
			})
		},
	})
	cmd.Flags().StringArrayVarP(&files, "filename", "f", nil, "file of NodePools, YAML or JSON; - is stdin; may be repeated")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "let the API server check, and change nothing")
	return cmd
}

func printApplied(w io.Writer, results []pools.Applied, dryRun bool) {
	suffix := ""
	if dryRun {
		suffix = " (dry run)"
	}
	for _, r := range results {
		fmt.Fprintf(w, "pool %s %s%s\n", r.Name, r.Result, suffix)
	}
}

// readPools reads and checks all manifests. Every mistake is in the error.
func (a *app) readPools(files []string) ([]*v1alpha1.NodePool, error) {
	var (
		all  []*v1alpha1.NodePool
		errs []error
	)
	for _, file := range files {
		data, err := a.readFile(file)
		if err != nil {
			return nil, err
		}
		found, err := pools.Check(data)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file, err))
		}
		all = append(all, found...)
	}
	return all, errors.Join(errs...)
}
