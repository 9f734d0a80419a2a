package query_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim/query"
)

type inner struct {
	Name  string   `query:",required"`
	Value []string `query:"Val"`
}

type embedded struct{ MaxResults int }

type params struct {
	embedded
	ID       string `query:"Id,required"`
	Count    *int
	Price    float64
	Yes      *bool
	When     time.Time
	Filter   []inner
	Nested   *inner
	Untagged struct{ Deep struct{ Leaf string } }
}

func TestDecodeUnderstandsEveryShape(t *testing.T) {
	form := url.Values{
		"Action": {"X"}, "Version": {"1"}, "DryRun": {"false"},
		"Id": {"a"}, "Count": {"3"}, "Price": {"0.5"}, "Yes": {"true"}, "When": {"2026-07-31T12:00:00Z"}, "MaxResults": {"7"},
		"Filter.2.Name": {"second"}, "Filter.1.Name": {"first"}, "Filter.1.Val.1": {"x"}, "Filter.1.Val.10": {"z"}, "Filter.1.Val.2": {"y"},
		"Nested.Name": {"n"}, "Untagged.Deep.Leaf": {"l"},
	}
	var p params
	require.NoError(t, query.Decode(form, &p))
	require.Equal(t, "a", p.ID)
	require.Equal(t, 3, *p.Count)
	require.Equal(t, 0.5, p.Price)
	require.True(t, *p.Yes)
	require.Equal(t, time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC), p.When)
	require.Equal(t, 7, p.MaxResults)
	require.Equal(t, []inner{{"first", []string{"x", "y", "z"}}, {"second", nil}}, p.Filter)
	require.Equal(t, "n", p.Nested.Name)
	require.Equal(t, "l", p.Untagged.Deep.Leaf)
}

func TestDecodeLeavesOutWhatIsNotGiven(t *testing.T) {
	var p params
	require.NoError(t, query.Decode(url.Values{"Id": {"a"}}, &p))
	require.Equal(t, params{ID: "a"}, p)
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		form    url.Values
		code    string
		message string
	}{
		{"a missing parameter", url.Values{}, "MissingParameter", "Id"},
		{"a missing parameter of a list's element", url.Values{"Id": {"a"}, "Filter.1.Val.1": {"x"}}, "MissingParameter", "Filter.1.Name"},
		{"an unknown parameter", url.Values{"Id": {"a"}, "Color": {"red"}}, "UnknownParameter", "Color"},
		{"an unknown member of a structure", url.Values{"Id": {"a"}, "Nested.Name": {"n"}, "Nested.Size": {"1"}}, "UnknownParameter", "Nested.Size"},
		{"a structure given as a scalar", url.Values{"Id": {"a"}, "Untagged": {"x"}}, "UnknownParameter", "Untagged"},
		{"a scalar given as a structure", url.Values{"Id": {"a"}, "Price.Low": {"1"}}, "UnknownParameter", "Price.Low"},
		{"an index of zero", url.Values{"Id": {"a"}, "Filter.0.Name": {"x"}}, "UnknownParameter", "Filter.0.Name"},
		{"an index in another form", url.Values{"Id": {"a"}, "Filter.01.Name": {"x"}}, "UnknownParameter", "Filter.01.Name"},
		{"an index too large", url.Values{"Id": {"a"}, "Filter.10001.Name": {"x"}}, "InvalidParameterValue", "Filter"},
		{"a word for a number", url.Values{"Id": {"a"}, "Count": {"three"}}, "InvalidParameterValue", "an integer"},
		{"a number for a truth", url.Values{"Id": {"a"}, "Yes": {"1"}}, "InvalidParameterValue", "true or false"},
		{"a word for a price", url.Values{"Id": {"a"}, "Price": {"cheap"}}, "InvalidParameterValue", "a number"},
		{"a word for a time", url.Values{"Id": {"a"}, "When": {"noon"}}, "InvalidParameterValue", "a time"},
		{"one parameter twice", url.Values{"Id": {"a", "b"}}, "InvalidParameterCombination", "Id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p params
			err := query.Decode(c.form, &p)
			require.Error(t, err)
			require.Equal(t, c.code, query.AsError(err).Code)
			require.Contains(t, query.AsError(err).Message, c.message)
		})
	}
}

// FuzzDecode: whatever comes in, the answer is a refusal with a code, or no parameter was lost.
func FuzzDecode(f *testing.F) {
	f.Add("Id=a&Filter.1.Name=x&Filter.1.Val.2=y&Count=1")
	f.Add("Id=a&Filter.1=x&Nested..Name=1&.=2")
	f.Add("Id=a&When=2026-07-31T12:00:00Z&Price=1e309&MaxResults=99999999999999999999")
	f.Fuzz(func(t *testing.T, body string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		var p params
		if err := query.Decode(form, &p); err != nil {
			require.NotEmpty(t, query.AsError(err).Code)
			require.NotEqual(t, "InternalError", query.AsError(err).Code)
			return
		}
		names := len(p.Filter)
		for _, filter := range p.Filter {
			names += len(filter.Value)
		}
		given := 0
		for name := range form {
			if len(name) > 7 && name[:7] == "Filter." {
				given++
			}
		}
		require.Equal(t, given, names, "every parameter of the list is in the answer")
	})
}
