package ec2

import (
	"net/url"

	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

type templateParams struct {
	LaunchTemplateID   string `query:"LaunchTemplateId"`
	LaunchTemplateName string
}

func (p templateParams) ref() cloud.TemplateRef {
	return cloud.TemplateRef{ID: p.LaunchTemplateID, Name: p.LaunchTemplateName}
}

type modifyLaunchTemplateParams struct {
	templateParams
	ClientToken       string
	SetDefaultVersion string `query:",required"`
}

func (a *API) modifyLaunchTemplate(p modifyLaunchTemplateParams, _ url.Values) (query.Result, error) {
	t, err := a.cloud.SetDefaultVersion(p.ref(), p.SetDefaultVersion)
	if err != nil {
		return nil, err
	}
	return &launchTemplateAnswer{Template: a.template(t)}, nil
}

func (a *API) deleteLaunchTemplate(p templateParams, _ url.Values) (query.Result, error) {
	t, err := a.cloud.DeleteTemplate(p.ref())
	if err != nil {
		return nil, err
	}
	return &launchTemplateAnswer{Template: a.template(t)}, nil
}

type deleteLaunchTemplateVersionsParams struct {
	templateParams
	LaunchTemplateVersion []string `query:",required"`
}

type deleteLaunchTemplateVersionsAnswer struct {
	query.Answer
	Deleted []deletedVersion `xml:"successfullyDeletedLaunchTemplateVersionSet>item"`
	Kept    []keptVersion    `xml:"unsuccessfullyDeletedLaunchTemplateVersionSet>item"`
}

type deletedVersion struct {
	ID     string `xml:"launchTemplateId"`
	Name   string `xml:"launchTemplateName"`
	Number int    `xml:"versionNumber,omitempty"`
}

type keptVersion struct {
	deletedVersion
	Error struct {
		Code    string `xml:"code"`
		Message string `xml:"message"`
	} `xml:"responseError"`
}

// maxDeletedVersions is the most versions that one call deletes
// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteLaunchTemplateVersions.html).
const maxDeletedVersions = 200

func (a *API) deleteLaunchTemplateVersions(p deleteLaunchTemplateVersionsParams, _ url.Values) (query.Result, error) {
	if n := len(p.LaunchTemplateVersion); n > maxDeletedVersions {
		return nil, query.Errorf("InvalidParameterValue", "The request names %d versions; it can name %d", n, maxDeletedVersions)
	}
	t, results, err := a.cloud.DeleteVersions(p.ref(), p.LaunchTemplateVersion)
	if err != nil {
		return nil, err
	}
	answer := &deleteLaunchTemplateVersionsAnswer{}
	for _, r := range results {
		version := deletedVersion{t.ID, t.Name, r.Number}
		if r.Err == nil {
			answer.Deleted = append(answer.Deleted, version)
			continue
		}
		kept := keptVersion{deletedVersion: version}
		kept.Error.Code, kept.Error.Message = r.Err.Code, r.Err.Message
		answer.Kept = append(answer.Kept, kept)
	}
	return answer, nil
}
