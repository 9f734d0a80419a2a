package ec2

import (
	"net/url"
	"strconv"
	"time"

	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

type createLaunchTemplateParams struct {
	ClientToken        string
	LaunchTemplateName string           `query:",required"`
	LaunchTemplateData cloud.LaunchData `query:",required"`
	VersionDescription string
	TagSpecification   []cloud.TagSpec
}

type launchTemplateAnswer struct {
	query.Answer
	Template templateItem `xml:"launchTemplate"`
}

type templateItem struct {
	ID      string    `xml:"launchTemplateId"`
	Name    string    `xml:"launchTemplateName"`
	Created time.Time `xml:"createTime"`
	By      string    `xml:"createdBy"`
	Default int       `xml:"defaultVersionNumber"`
	Latest  int       `xml:"latestVersionNumber"`
	Tags    []tagItem `xml:"tagSet>item"`
}

func (a *API) template(t cloud.Template) templateItem {
	return templateItem{t.ID, t.Name, t.Created.UTC(), a.creator(), t.Default, t.Latest(), tagItems(t.Tags)}
}

func (a *API) creator() string { return "arn:aws:iam::" + a.cloud.Account() + ":root" }

// minTemplateName is the shortest name of a launch template, maxTemplateName the longest
// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html).
const (
	minTemplateName = 3
	maxTemplateName = 128
)

func (a *API) createLaunchTemplate(p createLaunchTemplateParams, _ url.Values) (query.Result, error) {
	if n := len(p.LaunchTemplateName); n < minTemplateName || n > maxTemplateName {
		return nil, query.Errorf("InvalidLaunchTemplateName.MalformedException", "Launch template names have %d to %d characters", minTemplateName, maxTemplateName)
	}
	tags := cloud.TagsFor(p.TagSpecification, "launch-template")
	t, err := a.cloud.CreateTemplate(p.LaunchTemplateName, p.VersionDescription, p.LaunchTemplateData, tags)
	if err != nil {
		return nil, err
	}
	return &launchTemplateAnswer{Template: a.template(t)}, nil
}

type createLaunchTemplateVersionParams struct {
	ClientToken string
	templateParams
	SourceVersion      string
	VersionDescription string
	LaunchTemplateData cloud.LaunchData `query:",required"`
}

type launchTemplateVersionAnswer struct {
	query.Answer
	Version versionItem `xml:"launchTemplateVersion"`
}

type versionItem struct {
	ID          string           `xml:"launchTemplateId"`
	Name        string           `xml:"launchTemplateName"`
	Number      int              `xml:"versionNumber"`
	Description string           `xml:"versionDescription,omitempty"`
	Created     time.Time        `xml:"createTime"`
	By          string           `xml:"createdBy"`
	Default     bool             `xml:"defaultVersion"`
	Data        cloud.LaunchData `xml:"launchTemplateData"`
}

func (a *API) version(t cloud.Template, v cloud.TemplateVersion) versionItem {
	return versionItem{t.ID, t.Name, v.Number, v.Description, v.Created.UTC(), a.creator(), v.Number == t.Default, v.Data}
}

func (a *API) createLaunchTemplateVersion(p createLaunchTemplateVersionParams, _ url.Values) (query.Result, error) {
	t, v, err := a.cloud.CreateVersion(p.ref(), p.SourceVersion, p.VersionDescription, p.LaunchTemplateData)
	if err != nil {
		return nil, err
	}
	return &launchTemplateVersionAnswer{Version: a.version(t, v)}, nil
}

type describeLaunchTemplatesParams struct {
	paged
	LaunchTemplateID   []string `query:"LaunchTemplateId"`
	LaunchTemplateName []string
	Filter             []filter
}

type describeLaunchTemplatesAnswer struct {
	query.Answer
	Templates []templateItem `xml:"launchTemplates>item"`
	NextToken string         `xml:"nextToken,omitempty"`
}

var templateFilters = tagLookups(lookups[cloud.Template]{
	"launch-template-name": one(func(t cloud.Template) string { return t.Name }),
	"create-time":          one(func(t cloud.Template) string { return t.Created.UTC().Format(time.RFC3339) }),
}, func(t cloud.Template) map[string]string { return t.Tags })

func (a *API) describeLaunchTemplates(p describeLaunchTemplatesParams, _ url.Values) (query.Result, error) {
	var chosen []cloud.Template
	for _, ref := range templateRefs(p.LaunchTemplateID, p.LaunchTemplateName) {
		t, _, err := a.cloud.Template(ref)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, t)
	}
	if chosen == nil {
		chosen = a.cloud.Templates()
	}
	chosen, err := templateFilters.keep(chosen, p.Filter)
	if err != nil {
		return nil, err
	}
	page, next, err := pageOf(chosen, p.paged, 1, 200)
	if err != nil {
		return nil, err
	}
	answer := &describeLaunchTemplatesAnswer{NextToken: next}
	for _, t := range page {
		answer.Templates = append(answer.Templates, a.template(t))
	}
	return answer, nil
}

func templateRefs(ids, names []string) []cloud.TemplateRef {
	var refs []cloud.TemplateRef
	for _, id := range ids {
		refs = append(refs, cloud.TemplateRef{ID: id})
	}
	for _, name := range names {
		refs = append(refs, cloud.TemplateRef{Name: name})
	}
	return refs
}

type describeLaunchTemplateVersionsParams struct {
	paged
	templateParams
	LaunchTemplateVersion []string
	MinVersion            string
	MaxVersion            string
	ResolveAlias          bool
}

type describeLaunchTemplateVersionsAnswer struct {
	query.Answer
	Versions  []versionItem `xml:"launchTemplateVersionSet>item"`
	NextToken string        `xml:"nextToken,omitempty"`
}

// describeLaunchTemplateVersions describes versions of one template, or $Latest and $Default of all.
func (a *API) describeLaunchTemplateVersions(p describeLaunchTemplateVersionsParams, _ url.Values) (query.Result, error) {
	refs := []cloud.TemplateRef{p.ref()}
	if p.LaunchTemplateID == "" && p.LaunchTemplateName == "" {
		refs = nil
		for _, v := range p.LaunchTemplateVersion {
			if v != "$Latest" && v != "$Default" {
				return nil, query.Errorf("MissingParameter", "The request must contain a launch template ID or name unless the versions are $Latest or $Default")
			}
		}
		if len(p.LaunchTemplateVersion) == 0 {
			return nil, query.Errorf("MissingParameter", "The request must contain a launch template ID or name, or the versions $Latest or $Default")
		}
		for _, t := range a.cloud.Templates() {
			refs = append(refs, cloud.TemplateRef{ID: t.ID})
		}
	}
	var items []versionItem
	for _, ref := range refs {
		found, err := a.versions(ref, p)
		if err != nil {
			return nil, err
		}
		items = append(items, found...)
	}
	page, next, err := pageOf(items, p.paged, 1, 200)
	if err != nil {
		return nil, err
	}
	if p.ResolveAlias {
		aliases := cloud.ImageAliases()
		for n := range page {
			page[n].Data.ImageID = resolveAlias(aliases, page[n].Data.ImageID)
		}
	}
	return &describeLaunchTemplateVersionsAnswer{Versions: page, NextToken: next}, nil
}

func (a *API) versions(ref cloud.TemplateRef, p describeLaunchTemplateVersionsParams) ([]versionItem, error) {
	t, _, err := a.cloud.Template(ref)
	if err != nil {
		return nil, err
	}
	var items []versionItem
	for _, number := range p.LaunchTemplateVersion {
		ref.Version = number
		_, v, err := a.cloud.Template(ref)
		if err != nil {
			return nil, err
		}
		items = append(items, a.version(t, v))
	}
	if len(p.LaunchTemplateVersion) > 0 {
		return items, nil
	}
	low, err := bound(p.MinVersion, 1)
	if err != nil {
		return nil, err
	}
	high, err := bound(p.MaxVersion, t.Latest())
	if err != nil {
		return nil, err
	}
	// The newest first, as EC2 lists them.
	for n := t.Latest(); n >= 1; n-- {
		if n >= low && n <= high && !t.Versions[n-1].Deleted {
			items = append(items, a.version(t, t.Versions[n-1]))
		}
	}
	return items, nil
}

func bound(text string, none int) (int, error) {
	if text == "" {
		return none, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, query.Errorf("InvalidParameterValue", "'%s' is not a version number", text)
	}
	return n, nil
}
