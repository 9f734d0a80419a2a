package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/sweep"
)

// Truth is an EC2 that shows what the simulated AWS knows to be true, without lag. Its value is the simulator's URL.
type Truth string

// Owned implements EC2.
func (t Truth) Owned(ctx context.Context, _, _, cluster string) ([]contract.OwnedInstance, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, string(t)+"/truth", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s/truth: %s", t, response.Status)
	}
	var truth sim.Truth
	if err := json.NewDecoder(response.Body).Decode(&truth); err != nil {
		return nil, fmt.Errorf("GET %s/truth: %w", t, err)
	}
	var owned []contract.OwnedInstance
	for _, i := range truth.Instances {
		if i.Tags[contract.TagOwner] != contract.OwnerFloe || i.Tags[contract.TagCluster] != cluster {
			continue
		}
		owned = append(owned, contract.OwnedInstance{
			Instance: contract.Instance{
				ID: i.ID, InstanceType: i.InstanceType, Zone: i.Zone, ZoneID: i.ZoneID, Subnet: i.Subnet,
				CapacityType: v1alpha1.CapacityType(i.CapacityType), ImageID: i.ImageID, PrivateDNS: i.PrivateDNS,
				LaunchTime: i.Launched, USDPerHour: i.USDPerHour, State: i.State, Token: i.Tags[contract.TagToken],
			},
			Pool: i.Tags[contract.TagPool], ScaleUp: i.Tags[contract.TagScaleUp], Plan: i.Tags[contract.TagPlan],
			Foreign: sweep.ForeignMark(i.Tags),
		})
	}
	return owned, nil
}
