package script_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/script"
)

func TestParse(t *testing.T) {
	lines, err := script.Parse(`
# the first step is dry
at 30s c5.4xlarge spot eu-west-1a: 0
m5.*   *   euw1-az?: unlimited
throttle c5.* on-demand *: 2
lose answer of CreateFleet
at 1m lose answer of RunInstances 3
refuse StartInstances 2 with InternalError
deny TerminateInstances
allow TerminateInstances
at 2s in 210987654321 deny RunInstances
in 210987654321 reclaim * spot *: 2
`)
	require.NoError(t, err)
	for n := range lines {
		lines[n].Text = ""
	}
	require.Equal(t, []script.Line{
		{At: 30 * time.Second, Capacity: &script.Capacity{Where: script.Where{Type: "c5.4xlarge", CapacityType: v1alpha1.Spot, Zone: "eu-west-1a"}}},
		{Capacity: &script.Capacity{Where: script.Where{Type: "m5.*", Zone: "euw1-az?"}, Free: script.Unlimited}},
		{Throttle: &script.Throttle{Where: script.Where{Type: "c5.*", CapacityType: v1alpha1.OnDemand, Zone: "*"}, Count: 2}},
		{Fault: &script.Fault{Kind: script.LoseAnswer, Action: "CreateFleet", Count: 1}},
		{At: time.Minute, Fault: &script.Fault{Kind: script.LoseAnswer, Action: "RunInstances", Count: 3}},
		{Fault: &script.Fault{Kind: script.Refuse, Action: "StartInstances", Count: 2, Code: "InternalError"}},
		{Fault: &script.Fault{Kind: script.Deny, Action: "TerminateInstances"}},
		{Fault: &script.Fault{Kind: script.Allow, Action: "TerminateInstances"}},
		{At: 2 * time.Second, Account: "210987654321", Fault: &script.Fault{Kind: script.Deny, Action: "RunInstances"}},
		{Account: "210987654321", Act: &script.Act{Verb: script.Reclaim, Where: script.Where{Type: "*", CapacityType: v1alpha1.Spot, Zone: "*"}, Count: 2}},
	}, lines)
}

func TestParseRefuses(t *testing.T) {
	for text, message := range map[string]string{
		"m5.* spt *: 0":                        "line 1",
		"\n\nat soon m5.* spot *: 0":           `line 3`,
		"at -1s m5.* spot *: 0":                "not a duration",
		"m5.* spot *: -1":                      "want",
		"m5.* spot *: 99999999999999999999":    "too large",
		"throttle m5.* spot *: 0":              "1 or more",
		"throttle m5.* spot *: unlimited":      "1 or more",
		"lose answer of CreateFleet 0":         "1 or more",
		"lose answer of CreateFleet 1 of many": "want",
		"refuse RunInstances with":             "want",
		"in 12345 deny RunInstances":           "twelve digits",
		"in 210987654321":                      "want",
		"in 210987654321 m5.* spot *: 0":       "the region's",
		"in 210987654321 share c5.* * *: 3":    "the region's",
	} {
		_, err := script.Parse(text)
		require.ErrorContains(t, err, message, text)
	}
}

func TestMatches(t *testing.T) {
	where := script.Where{Type: "m5.*", CapacityType: v1alpha1.Spot, Zone: "euw1-az1"}
	require.True(t, where.Matches("m5.large", v1alpha1.Spot, "eu-west-1a", "euw1-az1"), "a zone is known by its ID")
	require.False(t, where.Matches("m5a.large", v1alpha1.Spot, "eu-west-1a", "euw1-az1"))
	require.False(t, where.Matches("m5.large", v1alpha1.OnDemand, "eu-west-1a", "euw1-az1"))
	require.False(t, where.Matches("m5.large", v1alpha1.Spot, "eu-west-1b", "euw1-az2"))
}
