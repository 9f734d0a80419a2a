package script_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim/script"
)

func TestParseVerbs(t *testing.T) {
	c5 := script.Where{Type: "c5.*", CapacityType: v1alpha1.Spot, Zone: "eu-west-1a"}
	anywhere := script.Where{Type: "*", Zone: "*"}
	for text, want := range map[string]script.Line{
		"reclaim c5.* spot eu-west-1a: 3":           {Act: &script.Act{Verb: script.Reclaim, Where: c5, Count: 3}},
		"reclaim c5.* spot eu-west-1a: 1 for price": {Act: &script.Act{Verb: script.ReclaimForPrice, Where: c5, Count: 1}},
		"at 2m rebalance c5.* spot eu-west-1a: all": {At: 2 * time.Minute, Act: &script.Act{Verb: script.Rebalance, Where: c5, Count: script.All}},
		"forge c5.* spot eu-west-1a: 1":             {Act: &script.Act{Verb: script.Forge, Where: c5, Count: 1}},
		"forge * * *: 1 as 999999999999":            {Act: &script.Act{Verb: script.Forge, Where: anywhere, Count: 1, Account: "999999999999"}},
		"retire * * *: 1":                           {Act: &script.Act{Verb: script.Retire, Where: anywhere, Count: 1, By: 14 * 24 * time.Hour}},
		"retire * * *: 1 in 1h":                     {Act: &script.Act{Verb: script.Retire, Where: anywhere, Count: 1, By: time.Hour}},
		"silence * * *: all":                        {Act: &script.Act{Verb: script.Silence, Where: anywhere, Count: script.All}},
		"restore * * *: all":                        {Act: &script.Act{Verb: script.Restore, Where: anywhere, Count: script.All}},
		"share * * *: 0":                            {Act: &script.Act{Verb: script.Share, Where: anywhere}},
		"share * * *: unlimited":                    {Act: &script.Act{Verb: script.Share, Where: anywhere, Count: script.Unlimited}},
		"mute * * *: all":                           {Act: &script.Act{Verb: script.Mute, Where: anywhere, Count: script.All}},
		"slow * * *: 2 by 10m":                      {Act: &script.Act{Verb: script.Slow, Where: anywhere, Count: 2, By: 10 * time.Minute}},
		"oversleep * * *: 1":                        {Act: &script.Act{Verb: script.Oversleep, Where: anywhere, Count: 1}},
		"reuse * * *: 1":                            {Act: &script.Act{Verb: script.Reuse, Where: anywhere, Count: 1}},
		"event interruption late 45s":               {Mishap: &script.Mishap{Event: "interruption", Kind: script.Late, Count: 1, By: 45 * time.Second}},
		"event * 3 twice":                           {Mishap: &script.Mishap{Event: "*", Kind: script.Twice, Count: 3}},
		"event state 2 reordered":                   {Mishap: &script.Mishap{Event: "state", Kind: script.Reordered, Count: 2}},
		"event rebalance lost":                      {Mishap: &script.Mishap{Event: "rebalance", Kind: script.Lost, Count: 1}},
		"event health malformed":                    {Mishap: &script.Mishap{Event: "health", Kind: script.Malformed, Count: 1}},
	} {
		lines, err := script.Parse(text)
		require.NoError(t, err, text)
		want.Text = text
		require.Equal(t, []script.Line{want}, lines)
	}
}

func TestParseRefusesVerbs(t *testing.T) {
	for text, message := range map[string]string{
		"reclaim c5.* on-demand *: 1":         "is for spot machines",
		"reclaim c5.* spot *: 0":              "1 or more, or all",
		"reclaim c5.* spot *: unlimited":      "takes no unlimited: a number is wanted, or all",
		"reclaim c5.* spot *: 1 for fun":      `"for fun" means nothing after reclaim`,
		"reclaim c5.* spot *":                 "want",
		"share c5.* * *: all":                 "takes no all: a number is wanted, or unlimited",
		"slow c5.* * *: 1":                    "slow needs by how much",
		"slow c5.* * *: 1 by ever":            "not a duration",
		"retire c5.* * *: 1 in -1h":           "not a duration",
		"forge c5.* spot *: 1 as me":          "means nothing after forge",
		"mute c5.* * *: 99999999999999999999": "too large",
		"event interruption late":             "late needs a duration",
		"event interruption 0 lost":           "1 or more",
		"event interruption lost 5s":          `"5s" means nothing after lost`,
		"event birthday lost":                 "want",
	} {
		_, err := script.Parse(text)
		require.ErrorContains(t, err, message, text)
	}
}
