package aws

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
)

const (
	// freshTemplate is how long a template stays resolved: a new version, or a new image behind an alias, is launched
	// after a minute at most.
	freshTemplate = time.Minute
	// missedTemplate is how long a template that does not exist is not asked for again, so that a pool that names it
	// costs one call in a while, and works soon after it is made.
	missedTemplate = 3 * time.Second
)

// Template resolves a launch template to its ID, the number of its version and the ID of its image, so that a hop's
// parameters cannot change under its token. What does not exist is a contract.ErrPoolInvalid that says what to do.
func (a *Activities) Template(ctx context.Context, accountName string, lt v1alpha1.LaunchTemplate) (contract.ResolvedTemplate, error) {
	acc, err := a.account(accountName, "")
	if err != nil {
		return contract.ResolvedTemplate{}, err
	}
	return acc.templates.get(ctx, lt)
}

// templateCache keeps resolved templates.
type templateCache struct {
	acc *account
	now func() time.Time

	mu    sync.Mutex
	known map[v1alpha1.LaunchTemplate]*templateEntry
}

// templateEntry is locked while it is resolved, so that callers that come together ask once.
type templateEntry struct {
	mu       sync.Mutex
	resolved contract.ResolvedTemplate
	err      error
	until    time.Time
}

func newTemplateCache(acc *account) *templateCache {
	return &templateCache{acc: acc, now: time.Now, known: map[v1alpha1.LaunchTemplate]*templateEntry{}}
}

func (c *templateCache) get(ctx context.Context, lt v1alpha1.LaunchTemplate) (contract.ResolvedTemplate, error) {
	c.mu.Lock()
	entry := c.known[lt]
	if entry == nil {
		entry = &templateEntry{}
		c.known[lt] = entry
	}
	c.mu.Unlock()

	entry.mu.Lock()
	defer entry.mu.Unlock()
	if now := c.now(); now.After(entry.until) {
		resolved, err := c.acc.resolve(ctx, lt)
		if err != nil && ctx.Err() != nil {
			return contract.ResolvedTemplate{}, err // the caller's own doing: no news of the template
		}
		entry.resolved, entry.err, entry.until = resolved, err, now.Add(freshTemplate)
		if err != nil {
			entry.until = now.Add(missedTemplate)
		}
	}
	return entry.resolved, entry.err
}

// resolve asks EC2 for the version, and SSM for the image where the template names it by an alias.
func (acc *account) resolve(ctx context.Context, lt v1alpha1.LaunchTemplate) (contract.ResolvedTemplate, error) {
	name := cmp.Or(lt.ID, lt.Name)
	if name == "" {
		return contract.ResolvedTemplate{}, poolInvalid("spec.launchTemplate: neither id nor name is set: set one")
	}
	version := cmp.Or(lt.Version, "$Default")
	in := &ec2.DescribeLaunchTemplateVersionsInput{Versions: []string{version}}
	if lt.ID != "" {
		in.LaunchTemplateId = &lt.ID
	} else {
		in.LaunchTemplateName = &lt.Name
	}
	out, err := ask(ctx, acc.budget, "DescribeLaunchTemplateVersions", 0, readTimeout, func(ctx context.Context) (*ec2.DescribeLaunchTemplateVersionsOutput, error) {
		return acc.ec2.DescribeLaunchTemplateVersions(ctx, in)
	})
	if err != nil {
		if diagnose(err).trouble == missing {
			return contract.ResolvedTemplate{}, noTemplate(acc, name, version)
		}
		return contract.ResolvedTemplate{}, acc.fail(err)
	}
	if len(out.LaunchTemplateVersions) == 0 {
		return contract.ResolvedTemplate{}, noTemplate(acc, name, version)
	}
	found := out.LaunchTemplateVersions[0]
	resolved := contract.ResolvedTemplate{
		ID:      awssdk.ToString(found.LaunchTemplateId),
		Version: strconv.FormatInt(awssdk.ToInt64(found.VersionNumber), 10),
	}
	if found.LaunchTemplateData != nil {
		resolved.ImageID = awssdk.ToString(found.LaunchTemplateData.ImageId)
	}
	if resolved.ImageID == "" {
		return contract.ResolvedTemplate{}, poolInvalid("launch template %s, version %s, in %s has no image: set ImageId in a new version of it",
			name, resolved.Version, acc)
	}
	if parameter, ok := strings.CutPrefix(resolved.ImageID, "resolve:ssm:"); ok {
		resolved.ImageID, err = acc.imageOf(ctx, name, parameter)
	}
	return resolved, err
}

// imageOf reads the image behind an alias: a parameter of SSM, which may carry a version or a label after a colon
// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-systems-manager-parameter-to-find-AMI.html).
func (acc *account) imageOf(ctx context.Context, template, parameter string) (string, error) {
	out, err := within(ctx, readTimeout, func(ctx context.Context) (*ssm.GetParameterOutput, error) {
		return acc.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: &parameter})
	})
	if err != nil {
		switch d := diagnose(err); d.code {
		case "ParameterNotFound", "ParameterVersionNotFound":
			return "", poolInvalid("launch template %s in %s takes its image from the SSM parameter %s, which does not exist: create it, or correct ImageId of the template",
				template, acc, parameter)
		}
		return "", acc.fail(err)
	}
	image := ""
	if out.Parameter != nil {
		image = awssdk.ToString(out.Parameter.Value)
	}
	if !strings.HasPrefix(image, "ami-") {
		return "", poolInvalid("launch template %s in %s takes its image from the SSM parameter %s, which holds no image ID (ami-…): correct the parameter, or ImageId of the template",
			template, acc, parameter)
	}
	return image, nil
}

func noTemplate(acc *account, name, version string) error {
	return poolInvalid("launch template %s, version %s, not found in %s: create it, or correct spec.launchTemplate of the pool", name, version, acc)
}
