// Package ec2 puts the simulated cloud behind EC2's API: one function for each action, from typed parameters to typed
// answers. Names and shapes: docs.aws.amazon.com/AWSEC2/latest/APIReference.
package ec2

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

// APIVersion is the version of the API that requests must name.
const APIVersion = "2016-11-15"

// API is EC2 of one account and region.
type API struct {
	cloud   *cloud.Cloud
	actions map[string]action
}

// action decodes an action's parameters and does it.
type action func(form url.Values) (query.Result, error)

// New is the API in front of a cloud.
func New(c *cloud.Cloud) *API {
	a := &API{cloud: c}
	a.actions = map[string]action{
		"CreateFleet":                    handle(a.createFleet),
		"CreateLaunchTemplate":           handle(a.createLaunchTemplate),
		"CreateLaunchTemplateVersion":    handle(a.createLaunchTemplateVersion),
		"CreateTags":                     handle(a.createTags),
		"DeleteLaunchTemplate":           handle(a.deleteLaunchTemplate),
		"DeleteLaunchTemplateVersions":   handle(a.deleteLaunchTemplateVersions),
		"DeleteTags":                     handle(a.deleteTags),
		"DescribeAccountAttributes":      handle(a.describeAccountAttributes),
		"DescribeAvailabilityZones":      handle(a.describeAvailabilityZones),
		"DescribeFleets":                 handle(a.describeFleets),
		"DescribeImages":                 handle(a.describeImages),
		"DescribeInstanceStatus":         handle(a.describeInstanceStatus),
		"DescribeInstanceTypeOfferings":  handle(a.describeInstanceTypeOfferings),
		"DescribeInstanceTypes":          handle(a.describeInstanceTypes),
		"DescribeInstances":              handle(a.describeInstances),
		"DescribeLaunchTemplateVersions": handle(a.describeLaunchTemplateVersions),
		"DescribeLaunchTemplates":        handle(a.describeLaunchTemplates),
		"DescribeSpotInstanceRequests":   handle(a.describeSpotInstanceRequests),
		"DescribeSpotPriceHistory":       handle(a.describeSpotPriceHistory),
		"DescribeSubnets":                handle(a.describeSubnets),
		"DescribeTags":                   handle(a.describeTags),
		"DescribeVolumes":                handle(a.describeVolumes),
		"GetSpotPlacementScores":         handle(a.getSpotPlacementScores),
		"ModifyLaunchTemplate":           handle(a.modifyLaunchTemplate),
		"RebootInstances":                handle(a.rebootInstances),
		"RunInstances":                   handle(a.runInstances),
		"StartInstances":                 handle(a.startInstances),
		"StopInstances":                  handle(a.stopInstances),
		"TerminateInstances":             handle(a.terminateInstances),
	}
	return a
}

// Knows says whether there is such an action.
func (a *API) Knows(action string) bool { return a.actions[action] != nil }

// Actions are the names of all actions, sorted.
func (a *API) Actions() []string { return slices.Sorted(maps.Keys(a.actions)) }

// Do does the action that the form names. Its errors are *query.Error.
func (a *API) Do(form url.Values) (query.Result, error) {
	name := form.Get("Action")
	do, ok := a.actions[name]
	switch {
	case name == "":
		return nil, query.Errorf("MissingAction", "The request must contain the parameter Action")
	case !ok:
		return nil, query.Errorf("InvalidAction", "The action %s is not valid for this web service.", name)
	case form.Get("Version") != APIVersion:
		return nil, query.Errorf("NoSuchVersion", "The requested version (%s) of service AmazonEC2 does not exist", form.Get("Version"))
	}
	return do(form)
}

// handle makes an action of a function with a parameter struct. A dry run ends where the parameters are known to be
// understood.
func handle[P any](do func(P, url.Values) (query.Result, error)) action {
	return func(form url.Values) (query.Result, error) {
		var params P
		if err := query.Decode(form, &params); err != nil {
			return nil, err
		}
		if form.Get("DryRun") == "true" {
			return nil, &query.Error{
				Code: "DryRunOperation", Status: http.StatusPreconditionFailed,
				Message: "Request would have succeeded, but DryRun flag is set.",
			}
		}
		return do(params, form)
	}
}

// digest is the same for the same parameters, the client token left out.
func digest(form url.Values) string {
	rest := maps.Clone(form)
	delete(rest, "ClientToken")
	sum := sha256.Sum256([]byte(rest.Encode()))
	return hex.EncodeToString(sum[:])
}

// tagItem is a tag in an answer.
type tagItem struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

func tagItems(tags map[string]string) []tagItem {
	items := make([]tagItem, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		items = append(items, tagItem{key, tags[key]})
	}
	return items
}

// done is the answer of actions that have nothing to say.
type done struct {
	query.Answer
	Return bool `xml:"return"`
}
