package conformance

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/stretchr/testify/require"
)

var requests = []check{
	{"the caller is told who it is", "STS/latest/APIReference/API_GetCallerIdentity.html", func(l *lab) {
		who, err := l.sts.GetCallerIdentity(l.ctx, &sts.GetCallerIdentityInput{})
		require.NoError(l, err)
		require.Regexp(l, `^\d{12}$`, *who.Account)
		require.Contains(l, *who.Arn, *who.Account)
	}},
	{"a dry run is answered with an error, and does nothing", "AWSEC2/latest/APIReference/API_RunInstances.html", func(l *lab) {
		input := l.launch()
		input.DryRun = aws.Bool(true)
		_, err := l.ec2.RunInstances(l.ctx, input)
		l.refused(err, "DryRunOperation")
	}},
	{"an unknown filter is refused", "AWSEC2/latest/APIReference/errors-overview.html", func(l *lab) {
		_, err := l.ec2.DescribeInstances(l.ctx, &ec2.DescribeInstancesInput{Filters: []types.Filter{by("color", "red")}})
		l.refused(err, "InvalidParameterValue")
	}},
	{"a filter takes 200 values at most", "AWSEC2/latest/UserGuide/Using_Filtering.html", func(l *lab) {
		_, err := l.ec2.DescribeInstances(l.ctx, &ec2.DescribeInstancesInput{Filters: []types.Filter{by("instance-type", make([]string, 201)...)}})
		l.refused(err)
	}},
	{"an ID of the wrong form is told from one that is not there", "AWSEC2/latest/APIReference/errors-overview.html", func(l *lab) {
		for id, want := range map[string]string{"i-xyz": "InvalidInstanceID.Malformed", "i-0123456789abcdef0": "InvalidInstanceID.NotFound"} {
			_, err := l.ec2.DescribeInstances(l.ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
			l.refused(err, want)
			_, err = l.ec2.TerminateInstances(l.ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
			l.refused(err, want)
		}
	}},
	{"a page size is from 5 to 1000", "AWSEC2/latest/APIReference/API_DescribeInstances.html", func(l *lab) {
		for _, size := range []int32{4, 1001} {
			_, err := l.ec2.DescribeInstances(l.ctx, &ec2.DescribeInstancesInput{MaxResults: aws.Int32(size)})
			l.refused(err, "InvalidParameterValue")
		}
	}},
	{"IDs and a page size exclude each other", "AWSEC2/latest/APIReference/API_DescribeInstances.html", func(l *lab) {
		_, err := l.ec2.DescribeInstances(l.ctx, &ec2.DescribeInstancesInput{MaxResults: aws.Int32(5), InstanceIds: []string{"i-0123456789abcdef0"}})
		l.refused(err, "InvalidParameterCombination")
	}},
	{"a client token has at most 64 ASCII characters", "AWSEC2/latest/APIReference/API_RunInstances.html", func(l *lab) {
		for _, token := range []string{strings.Repeat("x", 65), "é"} {
			input := l.launch()
			input.ClientToken = aws.String(token)
			_, err := l.ec2.RunInstances(l.ctx, input)
			l.refused(err)
		}
	}},
	{"a parameter that is not there is told", "systems-manager/latest/APIReference/API_GetParameter.html", func(l *lab) {
		_, err := l.ssm.GetParameter(l.ctx, &ssm.GetParameterInput{Name: aws.String("/" + l.run)})
		l.refused(err, "ParameterNotFound")
	}},
}
