package cli

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/images"
)

func TestPrintImages(t *testing.T) {
	now := time.Date(2026, 7, 6, 12, 0, 0, 0, time.UTC)
	var uses []images.Use
	for h := range 30 {
		at := now.Add(-time.Duration(h+1) * time.Hour)
		uses = append(uses, images.Use{Image: "registry.example/web@sha256:1234567890", Bytes: 300 << 20, At: at, Pods: 6, Nodes: 3})
		if h == 29 {
			uses = append(uses, images.Use{Image: "tool:7", At: at, Pods: 1, Nodes: 1})
		}
	}
	l := images.NewLedger(uses)
	found := []PoolImages{
		{Pool: "api", Disk: 400 << 20, Images: l.Choose(images.Scored, now, 400<<20)},
		{Pool: "batch", Images: l.Choose(images.Scored, now, 0)},
	}
	var out bytes.Buffer
	printImages(&out, found, false, now)
	require.Equal(t, `POOL    IMAGE                                    SIZE     MACHINES   PODS   LAST   SCORE   PREFETCH
api     registry.example/web@sha256:1234567890   300Mi    90         180    60m    1.00    yes
api     tool:7                                   ~500Mi   1          1      30h    0.01    no
batch   registry.example/web@sha256:1234567890   300Mi    90         180    60m    1.00    no
batch   tool:7                                   ~500Mi   1          1      30h    0.01    no

pool batch gives prefetching no disk: set spec.standby.prefetch.disk; --disk 20Gi shows what it would do
`, out.String())

	out.Reset()
	printImages(&out, found[:1], true, now)
	require.Contains(t, out.String(), "WHY")
	require.Contains(t, out.String(), "100 % of the machines that wake in the next day are likely to need it")
	require.Contains(t, out.String(), "it takes 500 MiB, and 100 MiB of 400 MiB are left")

	out.Reset()
	printImages(&out, nil, true, now)
	require.Equal(t, "no images yet: floe watch stores them some 15 minutes after their pods began to run\n", out.String())

	encoded, err := json.Marshal(found[0].Images[1])
	require.NoError(t, err)
	require.Contains(t, string(encoded), `"prefetch":false`)
	require.Contains(t, string(encoded), `"guessed":true`)
}
