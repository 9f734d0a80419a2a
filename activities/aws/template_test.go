package aws

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/sim/cloud"
)

func TestTemplate(t *testing.T) {
	b := newBed(t, "")
	want := contract.ResolvedTemplate{ID: sim.LaunchTemplateID, Version: "1", ImageID: sim.ImageX86}
	for name, lt := range map[string]v1alpha1.LaunchTemplate{
		"by id":        {ID: sim.LaunchTemplateID},
		"by name":      {Name: sim.LaunchTemplateName},
		"default":      {ID: sim.LaunchTemplateID, Version: "$Default"},
		"latest":       {ID: sim.LaunchTemplateID, Version: "$Latest"},
		"by number":    {ID: sim.LaunchTemplateID, Version: "1"},
		"by name, too": {Name: sim.LaunchTemplateName, Version: "$Latest"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := b.Template(t.Context(), testAccount, lt)
			require.NoError(t, err)
			require.Equal(t, want, got)
			calls := b.calls("DescribeLaunchTemplateVersions")
			_, err = b.Template(t.Context(), testAccount, lt)
			require.NoError(t, err)
			require.Equal(t, calls, b.calls("DescribeLaunchTemplateVersions"), "it is kept")
		})
	}
}

func TestTemplateIsResolvedAgain(t *testing.T) {
	b := newBed(t, "")
	cache := b.accounts[testAccount].templates
	later := time.Duration(0)
	cache.now = func() time.Time { return time.Now().Add(later) }
	lt := v1alpha1.LaunchTemplate{ID: sim.LaunchTemplateID}
	for range 2 {
		_, err := b.Template(t.Context(), testAccount, lt)
		require.NoError(t, err)
		later += 2 * freshTemplate
	}
	require.Equal(t, 2, b.calls("DescribeLaunchTemplateVersions"))
}

func TestUnknownTemplate(t *testing.T) {
	b := newBed(t, "")
	for name, lt := range map[string]v1alpha1.LaunchTemplate{
		"id":      {ID: "lt-00000000000000bad"},
		"name":    {Name: "nobody"},
		"version": {ID: sim.LaunchTemplateID, Version: "99"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.Template(t.Context(), testAccount, lt)
			require.Equal(t, contract.ErrPoolInvalid, typeOf(t, err))
			require.ErrorContains(t, err, "not found in account main (eu-west-1): create it, or correct spec.launchTemplate of the pool")
			calls := b.calls("DescribeLaunchTemplateVersions")
			_, again := b.Template(t.Context(), testAccount, lt)
			require.Equal(t, err, again)
			require.Equal(t, calls, b.calls("DescribeLaunchTemplateVersions"), "not asked again for a while")
		})
	}
	_, err := b.Template(t.Context(), testAccount, v1alpha1.LaunchTemplate{})
	require.Equal(t, contract.ErrPoolInvalid, typeOf(t, err))
	_, err = b.Template(t.Context(), "other", v1alpha1.LaunchTemplate{})
	require.Equal(t, contract.ErrInvalidInput, typeOf(t, err))
}

// templateWith makes a template of its own with that image.
func (b *bed) templateWith(name, image string) v1alpha1.LaunchTemplate {
	b.t.Helper()
	data := &types.RequestLaunchTemplateData{InstanceType: "m5.large"}
	if image != "" {
		data.ImageId = &image
	}
	out, err := b.accounts[testAccount].ec2.CreateLaunchTemplate(b.t.Context(), &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: &name, LaunchTemplateData: data,
	})
	require.NoError(b.t, err)
	return v1alpha1.LaunchTemplate{ID: *out.LaunchTemplate.LaunchTemplateId}
}

func TestImageByAlias(t *testing.T) {
	b := newBed(t, "")
	n := 0
	for alias, image := range cloud.ImageAliases() {
		n++
		got, err := b.Template(t.Context(), testAccount, b.templateWith(fmt.Sprintf("alias-%d", n), "resolve:ssm:"+alias))
		require.NoError(t, err)
		require.Equal(t, image, got.ImageID)
	}
	require.Positive(t, n)

	_, err := b.Template(t.Context(), testAccount, b.templateWith("wrong-alias", "resolve:ssm:/nobody/knows"))
	require.Equal(t, contract.ErrPoolInvalid, typeOf(t, err))
	require.ErrorContains(t, err, "the SSM parameter /nobody/knows, which does not exist")
	_, err = b.Template(t.Context(), testAccount, b.templateWith("no-image", ""))
	require.Equal(t, contract.ErrPoolInvalid, typeOf(t, err))
	require.ErrorContains(t, err, "has no image: set ImageId")
	b.script("refuse GetParameter with AccessDeniedException")
	_, err = b.Template(t.Context(), testAccount, b.templateWith("denied", "resolve:ssm:/nobody/knows"))
	require.Equal(t, contract.ErrAccessDenied, typeOf(t, err))
	require.ErrorContains(t, err, "ssm:GetParameter")
}
