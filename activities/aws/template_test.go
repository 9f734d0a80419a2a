package aws

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim"
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
