package sim_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim"
	"floe.dev/floe/internal/sim/cloud"
)

// TestServiceQuotas speaks the protocol by hand: the service's SDK is no dependency of ours.
func TestServiceQuotas(t *testing.T) {
	w := newWorld(t, sim.Options{Quotas: cloud.Quotas{OnDemandVCPUs: 64}})
	type quota struct {
		QuotaCode, QuotaArn string
		Value               float64
	}
	ask := func(action, body string) (answer struct {
		Type   string `json:"__type"`
		Quota  quota
		Quotas []quota
	},
	) {
		r, err := http.NewRequestWithContext(w.ctx, http.MethodPost, w.url+"/", strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("X-Amz-Date", "20260731T120000Z")
		r.Header.Set("X-Amz-Target", "ServiceQuotasV20190624."+action)
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAFLOETESTBED00000/20260731/eu-west-1/servicequotas/aws4_request, SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0f", 32))
		got, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, json.NewDecoder(got.Body).Decode(&answer))
		require.NoError(t, got.Body.Close())
		return answer
	}
	require.EqualValues(t, 64, ask("GetServiceQuota", `{"ServiceCode":"ec2","QuotaCode":"L-1216C47A"}`).Quota.Value)
	all := ask("ListServiceQuotas", `{"ServiceCode":"ec2","MaxResults":100}`).Quotas
	require.Len(t, all, 2)
	require.Equal(t, quota{"L-34B43A08", "arn:aws:servicequotas:eu-west-1:123456789012:ec2/L-34B43A08", 1_000_000}, all[1], "a bound that is never reached")
	for body, code := range map[string]string{
		`{"ServiceCode":"ec2","QuotaCode":"L-0"}`: "NoSuchResourceException",
		`{"ServiceCode":"s3","QuotaCode":"L-0"}`:  "NoSuchResourceException",
		`{"ServiceCode":"ec2"}`:                   "IllegalArgumentException",
		`{"Service":"ec2"}`:                       "SerializationException",
	} {
		require.Equal(t, code, ask("GetServiceQuota", body).Type, body)
	}
	require.Equal(t, "IllegalArgumentException", ask("ListServiceQuotas", `{"ServiceCode":"ec2","MaxResults":101}`).Type)
	require.Equal(t, "UnknownOperationException", ask("RequestServiceQuotaIncrease", `{}`).Type)
}
