package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"floe.dev/floe/starter/imports"
)

func poolImportCommand(a *app) *cobra.Command {
	var (
		files   []string
		options imports.Options
	)
	cmd := a.printsData(&cobra.Command{
		Use:   "import -f FILE",
		Short: "Write NodePools of what Karpenter or cluster-autoscaler have",
		Long: `Write NodePools of what Karpenter or cluster-autoscaler have. Nothing is asked but the files, and nothing is changed.

It reads Karpenter's NodePool and EC2NodeClass (v1), its older Provisioner (v1alpha5) and AWSNodeTemplate (v1alpha1), and
cluster-autoscaler's ConfigMap cluster-autoscaler-priority-expander with the output of
"aws autoscaling describe-auto-scaling-groups". Kinds are told apart by what the files say.

The pools go to stdout, checked as "floe pool apply" would. What could not be carried over goes to stderr: each field of
the sources, why, and what to do instead. With -o json or yaml all of it is one document.

Where something is to be filled in first, or a pool is refused, floe ends with status 3.`,
		Example: `  kubectl get nodepools.karpenter.sh,ec2nodeclasses -o yaml | floe pool import -f - > pools.yaml
  floe pool import -f provisioner.yaml -f template.yaml --launch-template my-nodes --subnet subnet-0a1b2c3d
  aws autoscaling describe-auto-scaling-groups > groups.json
  kubectl -n kube-system get configmap cluster-autoscaler-priority-expander -o yaml | floe pool import -f - -f groups.json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(files) == 0 {
				return usageError{errors.New("name the sources with --filename; - is stdin")}
			}
			var sources []imports.File
			for _, name := range files {
				data, err := a.readFile(name)
				if err != nil {
					return err
				}
				sources = append(sources, imports.File{Name: name, Data: data})
			}
			result, err := imports.Read(sources, options)
			if err != nil {
				return err
			}
			if err := a.printImport(result, cmd.ErrOrStderr()); err != nil {
				return err
			}
			if missing, refused := len(result.Missing), len(result.Refused); missing+refused > 0 {
				return unmetError{fmt.Errorf("%d fields are to be filled in before the pools are applied, and %d pools were refused", missing, refused)}
			}
			return nil
		},
	})
	flags := cmd.Flags()
	flags.StringArrayVarP(&files, "filename", "f", nil, "source, YAML or JSON; - is stdin; may be repeated")
	flags.StringVar(&options.LaunchTemplate, "launch-template", "", "name of the EC2 launch template of every pool, instead of the source's")
	flags.StringSliceVar(&options.Subnets, "subnet", nil, "IDs of every pool's subnets, instead of the source's")
	flags.StringVar(&options.Account, "account", "", "account of Floe's configuration that the pools buy in; the cluster's own unless named")
	return cmd
}

// printImport writes the pools to stdout and the rest to stderr.
func (a *app) printImport(result *imports.Result, errs io.Writer) error {
	if a.format != formatTable {
		return a.print(result, nil)
	}
	for i, pool := range result.Pools {
		manifest, err := imports.Manifest(pool)
		if err != nil {
			return err
		}
		if i > 0 {
			fmt.Fprintln(a.out, "---")
		}
		if _, err := a.out.Write(manifest); err != nil {
			return err
		}
	}
	for _, m := range result.Missing {
		fmt.Fprintf(errs, "fill in: pool %s, %s: %s. %s.\n", m.Pool, m.Field, m.Why, sentence(m.Do))
	}
	for _, r := range result.Refused {
		fmt.Fprintf(errs, "refused: pool %s of %s: %s\n", r.Pool, r.Source, strings.Join(r.Errors, "; "))
	}
	source := ""
	for _, n := range result.NotCarried {
		if n.Source != source {
			source = n.Source
			fmt.Fprintf(errs, "not carried over of %s:\n", source)
		}
		fmt.Fprintf(errs, "  %s: %s. Do: %s.\n", strings.Join(n.Fields, ", "), n.Why, n.Do)
	}
	for _, c := range result.Choices {
		fmt.Fprintf(errs, "chosen: %s\n", c)
	}
	return nil
}

// sentence begins with a capital letter.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
