package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/require"

	"floe.dev/floe/api/contract"
	"floe.dev/floe/internal/config"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// against is an account whose calls all go to a handler.
func against(t *testing.T, handler http.HandlerFunc, role string) *account {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	acc, err := newAccount(t.Context(), config.Account{Name: "main", Region: "eu-west-1", Endpoint: server.URL, Role: role}, nil, discard())
	require.NoError(t, err)
	return acc
}

func refuseWith(status int, code, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>1</RequestID></Response>`, code, message)
	}
}

func TestDiagnose(t *testing.T) {
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		want    trouble
	}{
		"ICE, a server error by its status": {refuseWith(500, "InsufficientInstanceCapacity", ""), capacity},
		"throttled, likewise":               {refuseWith(503, "RequestLimitExceeded", ""), throttled},
		"throttled by another name":         {refuseWith(400, "Throttling", ""), throttled},
		"quota":                             {refuseWith(400, "VcpuLimitExceeded", ""), quota},
		"denied":                            {refuseWith(403, "UnauthorizedOperation", ""), denied},
		"missing":                           {refuseWith(400, "InvalidSubnetID.NotFound", ""), missing},
		"replayed":                          {refuseWith(400, "IdempotentParameterMismatch", ""), replayed},
		"unknown and ours":                  {refuseWith(400, "InvalidParameterCombination", ""), refused},
		"unknown and EC2's":                 {refuseWith(500, "InternalError", ""), lost},
		"credentials ran out":               {refuseWith(400, "RequestExpired", ""), unsent},
		"no XML, a proxy's word":            {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502); io.WriteString(w, "bad gateway") }, lost},
		"an answer that cannot be read":     {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<CreateFleet") }, lost},
		"a dropped connection": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				conn.Close()
			}
		}, lost},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := against(t, tc.handler, "").ec2.CreateFleet(t.Context(), fleetRequest(launchInput("token", 1, "spot", "m5.large")))
			d := diagnose(err)
			require.Equal(t, tc.want, d.trouble, "%v", err)
			require.Equal(t, "ec2:CreateFleet", d.action)
		})
	}
}

func TestNobodyThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := "http://" + listener.Addr().String()
	require.NoError(t, listener.Close())
	acc, err := newAccount(t.Context(), config.Account{Name: "main", Region: "eu-west-1", Endpoint: nobody}, nil, discard())
	require.NoError(t, err)
	_, err = acc.ec2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	require.Equal(t, unsent, diagnose(err).trouble)
	require.Equal(t, contract.ErrUnavailable, typeOf(t, acc.fail(err)))
}

func TestTimeOut(t *testing.T) {
	release := make(chan struct{})
	acc := against(t, func(http.ResponseWriter, *http.Request) { <-release }, "")
	defer close(release)
	_, err := within(t.Context(), 20*time.Millisecond, func(ctx context.Context) (*ec2.DescribeSubnetsOutput, error) {
		return acc.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	})
	require.Equal(t, lost, diagnose(err).trouble)
	require.Equal(t, contract.ErrUnavailable, typeOf(t, acc.fail(err)))
}

func TestRoleThatCannotBeAssumed(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/floe"
	for name, tc := range map[string]struct {
		status    int
		code, typ string
	}{
		"denied":    {403, "AccessDenied", contract.ErrAccessDenied},
		"throttled": {400, "Throttling", contract.ErrThrottled},
		"down":      {500, "InternalFailure", contract.ErrUnavailable},
		"malformed": {400, "ValidationError", contract.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			acc := against(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error></ErrorResponse>`, tc.code)
			}, role)
			h := hop{acc: acc, Activities: &Activities{now: time.Now}, in: launchInput("token", 1, "spot", "m5.large"), attempt: attempt{record: func(progress) {}}}
			_, err := h.createFleet(t.Context())
			require.Equal(t, tc.typ, typeOf(t, err), "%v", err)
			require.ErrorContains(t, err, "sts:AssumeRole")
			if tc.typ == contract.ErrAccessDenied {
				require.ErrorContains(t, err, role)
			}
		})
	}
}

// A fleet's answers come per override, with codes of their own.
func TestFleetAllDenied(t *testing.T) {
	acc := against(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `<CreateFleetResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><fleetId>fleet-1</fleetId><errorSet>`+
			strings.Repeat(`<item><errorCode>UnauthorizedOperation</errorCode><errorMessage>no</errorMessage><lifecycle>spot</lifecycle></item>`, 2)+
			`</errorSet></CreateFleetResponse>`)
	}, "")
	h := hop{acc: acc, Activities: &Activities{now: time.Now}, in: launchInput("token", 1, "spot", "m5.large"), attempt: attempt{record: func(progress) {}}}
	_, err := h.createFleet(t.Context())
	require.Equal(t, contract.ErrAccessDenied, typeOf(t, err))
	require.ErrorContains(t, err, "iam:PassRole")
}

func TestFailKeepsCancellation(t *testing.T) {
	acc := against(t, refuseWith(400, "X", ""), "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := acc.ec2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	require.ErrorIs(t, acc.fail(err), context.Canceled)
}

func TestClip(t *testing.T) {
	require.Equal(t, "short", clip("short"))
	long := clip(strings.Repeat("é", 500))
	require.Less(t, len(long), 310)
	require.True(t, strings.HasSuffix(long, "é…"))
}

func TestInnermost(t *testing.T) {
	require.Equal(t, "deep", innermost(diagnosis{cause: fmt.Errorf("a: %w", fmt.Errorf("b: %w", errors.New("deep")))}))
	require.Equal(t, "words (Code)", innermost(diagnosis{code: "Code", message: "words"}))
}
