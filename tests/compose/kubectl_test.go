package compose

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/kubectl/pkg/cmd/apply"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
)

// newKubectl is kubectl as far as the services use it, from kubectl's own packages.
func newKubectl(ctx context.Context, out io.Writer) *cobra.Command {
	root := &cobra.Command{Use: "kubectl", SilenceErrors: true, SilenceUsage: true}
	root.SetContext(ctx)
	flags := genericclioptions.NewConfigFlags(true)
	flags.AddFlags(root.PersistentFlags())
	streams := genericiooptions.IOStreams{In: nil, Out: out, ErrOut: out}
	root.AddCommand(apply.NewCmdApply("kubectl", cmdutil.NewFactory(flags), streams))
	return root
}

// kubectl runs a command line. What kubectl would exit with is the error.
func kubectl(ctx context.Context, args []string, out io.Writer) (err error) {
	type exit struct{ error }
	cmdutil.BehaviorOnFatal(func(message string, code int) { panic(exit{fmt.Errorf("exit status %d: %s", code, message)}) })
	defer cmdutil.DefaultBehaviorOnFatal()
	defer func() {
		switch fatal := recover().(type) {
		case nil:
		case exit:
			err = errors.Join(err, fatal.error)
		default:
			panic(fatal)
		}
	}()
	cmd := newKubectl(ctx, out)
	cmd.SetArgs(args)
	return cmd.ExecuteContext(ctx)
}
