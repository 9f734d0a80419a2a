package awsjson_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim/awsjson"
	"floe.dev/floe/internal/sim/query"
)

type params struct {
	Name    string
	Count   *int
	Entries []struct{ ID string }
	Extra   map[string]string
	Tagged  string `json:"tagged"`
	Hidden  string `json:"-"`
}

func TestDecode(t *testing.T) {
	var p params
	require.NoError(t, awsjson.Decode([]byte(`{"Name":"a","Count":3,"Entries":[{"ID":"x"}],"Extra":{"any":"thing"},"tagged":"b"}`), &p))
	require.Equal(t, "a", p.Name)
	require.Equal(t, 3, *p.Count)
	require.Equal(t, "x", p.Entries[0].ID)
	require.Equal(t, map[string]string{"any": "thing"}, p.Extra)
	require.NoError(t, awsjson.Decode([]byte(`{}`), &params{}))

	for body, why := range map[string]string{
		``:                         "no JSON",
		`[]`:                       "no JSON object",
		`null`:                     "no JSON object",
		`{} {}`:                    "more than one",
		`{"name":"a"}`:             "no member name",
		`{"Entries":[{"Id":"x"}]}`: "no member Entries.0.Id",
		`{"Hidden":"a"}`:           "no member Hidden",
		`{"Count":"3"}`:            "Count",
		`{"Count":1e99}`:           "Count",
		`{"Name":{"a":1}}`:         "Name",
		`{"Entries":{"ID":"x"}}`:   "Entries",
	} {
		err := awsjson.Decode([]byte(body), &params{})
		require.Error(t, err, body)
		require.Equal(t, "SerializationException", query.AsError(err).Code, body)
		require.Contains(t, query.AsError(err).Message, why, body)
	}
}

// FuzzDecode: whatever comes in, the answer is a refusal with a code, or the struct; never a panic.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"Name":"a","Count":3,"Entries":[{"ID":"x"}],"Extra":{"any":"thing"}}`))
	f.Add([]byte(`{"Name":null,"Count":null,"Entries":[null],"Extra":null}`))
	f.Add([]byte(`{"Entries":[[{"ID":1}]],"Extra":{"a":{"b":{}}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := awsjson.Decode(body, &params{}); err != nil {
			require.Equal(t, "SerializationException", query.AsError(err).Code)
		}
	})
}
