package ledger

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/contract"
)

func TestDroughts(t *testing.T) {
	noon := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	var s contract.ProvisionerState
	Dry(&s, contract.LaunchEvent{Pool: "web", ScaleUp: "s1", Reason: "ICE", Help: []string{"allow the family m6i"}}, noon)
	Dry(&s, contract.LaunchEvent{Pool: "api", ScaleUp: "s2"}, noon)
	Dry(&s, contract.LaunchEvent{Pool: "web", ScaleUp: "s3", Reason: "ICE again"}, noon.Add(time.Minute))
	require.Equal(t, []contract.Drought{
		{Pool: "api", ScaleUp: "s2", At: noon, Since: noon, Launches: 1},
		{Pool: "web", ScaleUp: "s3", At: noon.Add(time.Minute), Since: noon, Launches: 2, Reason: "ICE again", Help: []string{"allow the family m6i"}},
	}, s.Droughts)
	Rained(&s, "api")
	Rained(&s, "other")
	require.Len(t, s.Droughts, 1)
	Rained(&s, "web")
	require.Empty(t, s.Droughts)
}
