package query_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"floe.dev/floe/internal/sim/query"
)

const (
	scope      = "AKIAFLOETESTBED00000/20260731/eu-west-1/ec2/aws4_request"
	signature  = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	wellFormed = "AWS4-HMAC-SHA256 Credential=" + scope + ", SignedHeaders=host;x-amz-date, Signature=" + signature
)

func TestCheckSignature(t *testing.T) {
	for _, c := range []struct {
		name, header, date, code string
	}{
		{"well formed", wellFormed, "20260731T120000Z", ""},
		{"without spaces", strings.ReplaceAll(wellFormed, ", ", ","), "20260731T120000Z", ""},
		{"none", "", "20260731T120000Z", "MissingAuthenticationToken"},
		{"another algorithm", "Bearer abc", "20260731T120000Z", "IncompleteSignature"},
		{"no signature", "AWS4-HMAC-SHA256 Credential=" + scope + ", SignedHeaders=host;x-amz-date", "20260731T120000Z", "IncompleteSignature"},
		{"a signature too short", strings.ReplaceAll(wellFormed, signature, "0123"), "20260731T120000Z", "AuthFailure"},
		{"a scope without a service", strings.ReplaceAll(wellFormed, "/ec2/", "/"), "20260731T120000Z", "AuthFailure"},
		{"an access key too short", strings.ReplaceAll(wellFormed, "AKIAFLOETESTBED00000", "test"), "20260731T120000Z", "AuthFailure"},
		{"an unsigned host", strings.ReplaceAll(wellFormed, "host;", ""), "20260731T120000Z", "AuthFailure"},
		{"no date", wellFormed, "", "IncompleteSignature"},
		{"another day", wellFormed, "20260801T000001Z", "AuthFailure"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := http.NewRequest(http.MethodPost, "http://x/", nil)
			require.NoError(t, err)
			if c.header != "" {
				r.Header.Set("Authorization", c.header)
			}
			r.Header.Set("X-Amz-Date", c.date)
			got, err := query.CheckSignature(r)
			if c.code != "" {
				require.Error(t, err)
				require.Equal(t, c.code, query.AsError(err).Code)
				return
			}
			require.NoError(t, err)
			require.Equal(t, query.Credential{AccessKey: "AKIAFLOETESTBED00000", Date: "20260731", Region: "eu-west-1", Service: "ec2"}, got)
		})
	}
}
