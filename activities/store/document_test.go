package store

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"floe.dev/floe/api/contract"
)

func TestDocument(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 5_000_000, time.UTC)
	doc, err := document(PlanRecord{
		ID: "demo/1-1", At: at, Cluster: "demo",
		Digest: contract.PlanDigest{Plan: "1-1", USDPerHour: 0.5, Launches: []contract.PlannedLaunch{{
			Count: 2, Requests: corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1")},
		}}},
		Plan: map[string]any{"$set": 1, "100%": nil, "a.b": [][]int{{1}, {}}, "": true},
	})
	require.NoError(t, err)
	require.Equal(t, bson.E{Key: "_id", Value: "demo/1-1"}, doc[0])
	require.Equal(t, bson.E{Key: "at", Value: at}, doc[1])
	fields := asMap(doc).(map[string]any)
	digest := fields["digest"].(map[string]any)
	require.Equal(t, 0.5, digest["usdPerHour"])
	launch := digest["launches"].([]any)[0].(map[string]any)
	require.Equal(t, int64(2), launch["count"])
	require.Equal(t, map[string]any{"nvidia%2Ecom/gpu": "1"}, launch["requests"])
	require.Equal(t, map[string]any{
		"%24set": int64(1), "100%25": nil, "a%2Eb": []any{map[string]any{"items": []any{int64(1)}}, map[string]any{"items": []any{}}}, "": true,
	}, fields["plan"])
	_, err = bson.Marshal(doc)
	require.NoError(t, err)
}

func TestDocumentRefusesWhatIsNoRecord(t *testing.T) {
	for name, record := range map[string]any{
		"no object":    []int{1},
		"no JSON":      map[string]any{"x": math.Inf(1)},
		"at no date":   map[string]any{"at": "yesterday"},
		"at no string": map[string]any{"at": 5},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := document(record)
			require.Error(t, err)
		})
	}
}

// Whatever a record holds, its document holds the same, and no key that MongoDB would take for a path or an operator.
func TestDocumentKeepsEverything(t *testing.T) {
	key := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"a.b", "$x", "%2E", ".", "$", "%"}))
	rapid.Check(t, func(t *rapid.T) {
		record := map[string]any{}
		for _, k := range rapid.SliceOf(key).Draw(t, "keys") {
			if k != "id" && k != "at" {
				record[k] = rapid.SampledFrom([]any{"text", 1.5, true, nil, []any{"x"}, map[string]any{k: "inner"}}).Draw(t, "value")
			}
		}
		encoded, err := json.Marshal(record)
		require.NoError(t, err)
		var want any
		require.NoError(t, json.Unmarshal(encoded, &want))
		doc, err := document(record)
		require.NoError(t, err)
		checkKeys(t, doc)
		require.Equal(t, want, unescape(t, asMap(doc)))
	})
}

func checkKeys(t *rapid.T, value any) {
	switch value := value.(type) {
	case bson.D:
		for _, e := range value {
			require.NotContains(t, e.Key, ".")
			require.NotContains(t, e.Key, "\x00")
			require.False(t, len(e.Key) > 0 && e.Key[0] == '$', e.Key)
			checkKeys(t, e.Value)
		}
	case bson.A:
		for _, v := range value {
			checkKeys(t, v)
		}
	}
}

func asMap(value any) any {
	switch value := value.(type) {
	case bson.D:
		m := map[string]any{}
		for _, e := range value {
			m[e.Key] = asMap(e.Value)
		}
		return m
	case bson.A:
		a := []any{}
		for _, v := range value {
			a = append(a, asMap(v))
		}
		return a
	}
	return value
}

func unescape(t *rapid.T, value any) any {
	switch value := value.(type) {
	case map[string]any:
		m := map[string]any{}
		for k, v := range value {
			k, err := url.PathUnescape(k)
			require.NoError(t, err)
			m[k] = unescape(t, v)
		}
		return m
	case []any:
		for i := range value {
			value[i] = unescape(t, value[i])
		}
	}
	return value
}

func TestPlanChunks(t *testing.T) {
	record := PlanRecord{ID: "demo/1-1", At: time.Now(), Cluster: "demo", Plan: map[string]string{"why": string(make([]byte, 1000))}}
	whole, err := planDocuments(record, 1<<20)
	require.NoError(t, err)
	require.Len(t, whole, 1)

	docs, err := planDocuments(record, 400)
	require.NoError(t, err)
	require.Greater(t, len(docs), 2)
	var joined []byte
	for i, doc := range docs[:len(docs)-1] {
		fields := asMap(doc).(map[string]any)
		require.Equal(t, "demo/1-1", fields["plan"])
		require.Equal(t, fmt.Sprintf("demo/1-1#%d", i), fields["_id"])
		joined = append(joined, fields["data"].([]byte)...)
	}
	encoded, err := json.Marshal(record.Plan)
	require.NoError(t, err)
	require.Equal(t, string(encoded), string(joined))
	head := asMap(docs[len(docs)-1]).(map[string]any)
	require.Equal(t, "demo/1-1", head["_id"])
	require.EqualValues(t, len(docs)-1, head["chunks"])
	require.NotContains(t, head, "plan")
}
