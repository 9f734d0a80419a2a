package contract

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLaunchToken(t *testing.T) {
	base := LaunchToken("scaleup/a/b/0", "run", 1, "")
	require.Len(t, base, 64, "EC2 takes at most 64 characters")
	require.Equal(t, base, LaunchToken("scaleup/a/b/0", "run", 1, ""), "the same hop has the same token")
	for _, other := range []string{
		LaunchToken("scaleup/a/b/1", "run", 1, ""), LaunchToken("scaleup/a/b/0", "run2", 1, ""),
		LaunchToken("scaleup/a/b/0", "run", 2, ""), LaunchToken("scaleup/a/b/0", "run", 1, "eu-west-1a"),
	} {
		require.NotEqual(t, base, other)
	}
}

func TestIDs(t *testing.T) {
	cluster, instance, ok := ParseNodeID(NodeID("prod", "i-1"))
	require.True(t, ok)
	require.Equal(t, []string{"prod", "i-1"}, []string{cluster, instance})
	for _, bad := range []string{"", "node/", "node/a", "node//i-1", "node/a/", "scaleup/a/b"} {
		_, _, ok := ParseNodeID(bad)
		require.False(t, ok, bad)
	}
	instance, ok = InstanceOfProviderID(ProviderID("eu-west-1a", "i-0abc"))
	require.True(t, ok)
	require.Equal(t, "i-0abc", instance)
	for _, bad := range []string{"", "gce://p/z/i-1", "aws:///eu-west-1a/", "aws:///eu-west-1a/fargate-1"} {
		_, ok := InstanceOfProviderID(bad)
		require.False(t, ok, bad)
	}
	require.Equal(t, "0123abcd-7", PlanID("0123abcd-ffff", 7))
	require.Equal(t, "x-7", PlanID("x", 7))
}

func TestScaleUpInputValidate(t *testing.T) {
	require.NoError(t, ScaleUpInput{Cluster: "c", Pool: "p", Count: 1}.Validate())
	require.EqualError(t, ScaleUpInput{Pool: "a/b", Count: 1001, Purpose: "fun"}.Validate(),
		"cluster: missing; name the cluster\n"+
			"pool: \"a/b\" holds a slash or a blank; it is the plain name\n"+
			"count: 1001 is out of range; ask for 1 to 1000 machines\n"+
			"purpose: \"fun\" is unknown; leave it out, or use demand, hand, standby, return, replace or race")
}

func TestAnswers(t *testing.T) {
	require.Equal(t, "2 insufficient-capacity, 2 launched, 1 quota (VcpuLimitExceeded)", Answers(Hop{Outcomes: []Outcome{
		{Answer: AnswerICE}, {Answer: AnswerLaunched, Count: 2}, {Answer: AnswerQuota, Code: "VcpuLimitExceeded"}, {Answer: AnswerICE},
	}}))
	require.Equal(t, "no answer yet", Answers(Hop{}))
	require.Equal(t, "2 handed over", Answers(Hop{Note: "2 handed over"}))
	require.Equal(t, "no", Answers(Hop{Error: "no", Outcomes: []Outcome{{Answer: AnswerICE}}}))
}

func TestImageKeys(t *testing.T) {
	require.Equal(t, "0123456789ab", ImageKey("registry.example/web@sha256:0123456789abcdef"))
	require.Len(t, ImageKey("registry.example/web:1"), 12)
	require.NotEqual(t, ImageKey("registry.example/web:1"), ImageKey("registry.example/web:2"))
	require.Len(t, ImageKey("web@sha256:short"), 12, "what is no digest is a name")
	var none *Prefetched
	require.Empty(t, none.Tried())
}
