package testbed

import "context"

// Program is how a program is run that is no part of a testbed, but shall live and end with one: see StartProgram.
type Program struct {
	Path string
	Args []string
	// Env is beyond PATH, HOME and TMPDIR, which are the testbed's own.
	Env []string
	// Ready is a URL that answers 200 once the program serves.
	Ready string
}

// StartProgram runs a program beside the testbed's parts and returns once it serves: its log is in logs/name.log, and
// nothing of it outlives the testbed. It is given n free ports on loopback, and started again on others if a stranger
// was quicker to take one of them.
func (tb *Testbed) StartProgram(ctx context.Context, name string, n int, of func(ports []int) Program) (*Process, error) {
	probe := plainProbe()
	p, _, err := tb.startOnPorts(ctx, name, n, func(ports []int) command {
		program := of(ports)
		return command{path: program.Path, args: program.Args, env: program.Env, ready: probe.ok(program.Ready)}
	})
	return p, err
}
