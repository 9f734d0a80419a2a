package sim

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"floe.dev/floe/internal/sim/query"
)

// stsResult is an answer of STS's: the action's result, and the request's id after it.
type stsResult struct {
	Identity *callerIdentity `xml:"GetCallerIdentityResult"`
	Role     *assumedRole    `xml:"AssumeRoleResult"`
	ID       string          `xml:"ResponseMetadata>RequestId"`
}

// Identify sets the request's id.
func (r *stsResult) Identify(id string) { r.ID = id }

type callerIdentity struct {
	ARN     string `xml:"Arn"`
	UserID  string `xml:"UserId"`
	Account string `xml:"Account"`
}

type assumedRole struct {
	Credentials struct {
		AccessKeyID     string    `xml:"AccessKeyId"`
		SecretAccessKey string    `xml:"SecretAccessKey"`
		SessionToken    string    `xml:"SessionToken"`
		Expiration      time.Time `xml:"Expiration"`
	} `xml:"Credentials"`
	User struct {
		ARN string `xml:"Arn"`
		ID  string `xml:"AssumedRoleId"`
	} `xml:"AssumedRoleUser"`
}

func writeSTS(w http.ResponseWriter, action, id string, result query.Result) error {
	result.Identify(id)
	return query.Write(w, http.StatusOK, query.STSNamespace, action+"Response", result)
}

// The actions of STS.
const (
	assumeRole        = "AssumeRole"
	getCallerIdentity = "GetCallerIdentity"
)

// sts does AssumeRole and GetCallerIdentity (docs.aws.amazon.com/STS/latest/APIReference).
func (c *call) sts(form url.Values) (query.Result, error) {
	switch form.Get("Action") {
	case getCallerIdentity:
		if err := query.Decode(form, &struct{}{}); err != nil {
			return nil, err
		}
		return &stsResult{Identity: &callerIdentity{c.arn(), "AIDAFLOESIM", c.account.number}}, nil
	case assumeRole:
		return c.assumeRole(form)
	default:
		return nil, query.Errorf("InvalidAction", "Could not find operation %s for version %s", form.Get("Action"), form.Get("Version"))
	}
}

type assumeRoleParams struct {
	RoleArn         string `query:",required"`
	RoleSessionName string `query:",required"`
	DurationSeconds int
	ExternalID      string `query:"ExternalId"`
}

var roleForm = regexp.MustCompile(`^arn:aws:iam::([0-9]{12}):role/(.*/)?([\w+=,.@-]{1,64})$`)

// Bounds and default of a role's session, in seconds
// (docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html).
const (
	minSession     = 900
	maxSession     = 43200
	defaultSession = 3600
)

func (c *call) assumeRole(form url.Values) (query.Result, error) {
	var p assumeRoleParams
	if err := query.Decode(form, &p); err != nil {
		return nil, err
	}
	role := roleForm.FindStringSubmatch(p.RoleArn)
	if role == nil {
		return nil, query.Errorf("ValidationError", "%s is invalid", p.RoleArn)
	}
	account := c.server.account(role[1])
	if account == nil {
		return nil, &query.Error{
			Code: "AccessDenied", Status: http.StatusForbidden,
			Message: "User: " + c.arn() + " is not authorized to perform: sts:AssumeRole on resource: " + p.RoleArn,
		}
	}
	if p.DurationSeconds == 0 {
		p.DurationSeconds = defaultSession
	}
	if p.DurationSeconds < minSession || p.DurationSeconds > maxSession {
		return nil, query.Errorf("ValidationError", "DurationSeconds must be from %d to %d", minSession, maxSession)
	}
	result := &stsResult{Role: &assumedRole{}}
	// Nothing checks them but accountOf: they only have to look like credentials, and to differ.
	result.Role.Credentials.AccessKeyID = "ASIA" + rand.Text()[:16]
	result.Role.Credentials.SecretAccessKey = rand.Text() + rand.Text()[:14]
	result.Role.Credentials.SessionToken = rand.Text() + rand.Text()
	result.Role.Credentials.Expiration = c.server.clock.Now().Add(time.Duration(p.DurationSeconds) * time.Second).UTC().Truncate(time.Second)
	result.Role.User.ARN = "arn:aws:sts::" + role[1] + ":assumed-role/" + role[3] + "/" + p.RoleSessionName
	result.Role.User.ID = "AROAFLOESIM:" + p.RoleSessionName
	c.server.assumed.Store(result.Role.Credentials.AccessKeyID, account)
	return result, nil
}
