package deploy

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

func TestNodePoolCRD(t *testing.T) {
	var crd apiextensions.CustomResourceDefinition
	require.NoError(t, yaml.UnmarshalStrict(NodePoolCRD, &crd))
	require.Equal(t, "nodepools.floe.dev", crd.Name)
	require.NotNil(t, crd.Spec.Versions[0].Subresources.Status)
	require.True(t, json.Valid(NodePoolSchema))
}

type policy struct {
	Statement []struct {
		Sid       string
		Effect    string
		Action    many
		Resource  many
		Condition map[string]map[string]any
	}
}

// many is a string or a list of them, as IAM has it.
type many []string

func (m *many) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		*m = make(many, 1)
		return json.Unmarshal(data, &(*m)[0])
	}
	return json.Unmarshal(data, (*[]string)(m))
}

// No policy lets anyone change an instance that is not tagged as Floe's, or everything at once.
func TestIAMPoliciesChangeOnlyWhatIsFloes(t *testing.T) {
	for name, data := range map[string][]byte{"worker": WorkerIAM, "watcher": WatcherIAM} {
		var p policy
		require.NoError(t, json.Unmarshal(data, &p), name)
		require.NotEmpty(t, p.Statement)
		for _, s := range p.Statement {
			for _, action := range s.Action {
				require.NotContainsf(t, action, "*", "%s: %s", name, s.Sid)
				_, verb, _ := strings.Cut(action, ":")
				if strings.HasPrefix(verb, "Describe") || strings.HasPrefix(verb, "Get") {
					continue
				}
				if service, _, _ := strings.Cut(action, ":"); service == "sqs" {
					require.Equal(t, many{"arn:aws:sqs:*:*:floe-*"}, s.Resource, "%s: other queues are none of Floe's", action)
					require.NotEqual(t, "SendMessage", verb)
					continue
				}
				require.Equalf(t, "worker", name, "%s: the watcher only looks", action)
				for _, resource := range s.Resource {
					require.NotEqualf(t, "*", resource, "%s: %s", s.Sid, action)
					if !strings.Contains(resource, ":instance/") {
						continue
					}
					equals := s.Condition["StringEquals"]
					owned := equals["aws:RequestTag/floe.dev/owner"] == "floe" || equals["aws:ResourceTag/floe.dev/owner"] == "floe"
					require.Truef(t, owned || equals["ec2:CreateAction"] != nil, "%s: %s on any instance", s.Sid, action)
				}
			}
		}
	}
}

// rulesOf are the rules of a file's ClusterRole.
func rulesOf(t *testing.T, data []byte) []rbacv1.PolicyRule {
	t.Helper()
	for _, document := range strings.Split(string(data), "\n---\n") {
		var kind struct{ Kind string }
		require.NoError(t, yaml.Unmarshal([]byte(document), &kind))
		if kind.Kind == "ClusterRole" {
			var role rbacv1.ClusterRole
			require.NoError(t, yaml.UnmarshalStrict([]byte(document), &role))
			require.NotEmpty(t, role.Rules)
			return role.Rules
		}
	}
	require.Fail(t, "no ClusterRole")
	return nil
}

func TestTheWatchersRoleOnlyLooksAndCordons(t *testing.T) {
	for _, rule := range rulesOf(t, WatcherRBAC) {
		if slices.Equal(rule.Resources, []string{"nodes"}) {
			require.Equal(t, []string{"patch"}, rule.Verbs)
			continue
		}
		require.Subset(t, []string{"get", "list", "watch"}, rule.Verbs)
	}
}

func TestTheWorkersRoleIsNarrow(t *testing.T) {
	for _, rule := range rulesOf(t, WorkerRBAC) {
		for _, word := range append(append(rule.APIGroups, rule.Resources...), rule.Verbs...) {
			require.NotContains(t, word, "*")
		}
		require.NotContains(t, rule.Resources, "secrets")
	}
}
