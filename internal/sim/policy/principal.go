package policy

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// principals are whom a statement is about, by sort: "AWS", "Service". Under "*" it is everybody.
type principals map[string]list

// sorts of principals. Federated and canonical users never call here: a statement about them matches nobody.
var sorts = []string{"AWS", "Service", "Federated", "CanonicalUser"}

// awsForm is whom "AWS" may name (docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html):
// no wildcards within an ARN.
var awsForm = regexp.MustCompile(`^(\*|[0-9]{12}|arn:aws[a-z-]*:(iam|sts)::[0-9]{12}:[^*?]+)$`)

// UnmarshalJSON reads "*", or an object of lists.
func (p *principals) UnmarshalJSON(data []byte) error {
	if string(data) == `"*"` {
		*p = principals{"AWS": {"*"}, "Service": {"*"}}
		return nil
	}
	var named map[string]list
	if err := json.Unmarshal(data, &named); err != nil {
		return refused("Principal", "\"*\" is wanted, or such as {\"Service\": \"events.amazonaws.com\"}")
	}
	for sort, names := range named {
		if !slices.Contains(sorts, sort) {
			return refused("Principal", "%q is unknown: %s are possible", sort, strings.Join(sorts, ", "))
		}
		for _, name := range names {
			if sort == "AWS" && !awsForm.MatchString(name) {
				return refused("Principal", "%q is neither an account, nor the ARN of a user or role, nor *", name)
			}
		}
	}
	*p = named
	return nil
}

// include says whether the statement is about who calls: an account, by its number or its root's ARN, is everybody in it.
func (p principals) include(r Request) bool {
	if r.Service != "" {
		return slices.ContainsFunc(p["Service"], func(name string) bool { return name == "*" || name == r.Service })
	}
	return slices.ContainsFunc(p["AWS"], func(name string) bool {
		return name == "*" || name == r.Principal || name == r.Account || name == "arn:aws:iam::"+r.Account+":root"
	})
}
