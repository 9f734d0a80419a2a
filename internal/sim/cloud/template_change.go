package cloud

import (
	"slices"

	"floe.dev/floe/internal/sim/query"
)

// SetDefaultVersion makes another version of a launch template its default.
func (c *Cloud) SetDefaultVersion(ref TemplateRef, version string) (Template, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.template(ref)
	if err != nil {
		return Template{}, err
	}
	v, err := t.version(version)
	if err != nil {
		return Template{}, err
	}
	t.Default = v.Number
	return *t, nil
}

// DeleteTemplate deletes a launch template with all of its versions. Instances that were launched from it stay.
func (c *Cloud) DeleteTemplate(ref TemplateRef) (Template, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.template(ref)
	if err != nil {
		return Template{}, err
	}
	delete(c.templates, t.ID)
	return *t, nil
}

// VersionDeleted is what became of one version that was to be deleted: Err is nil where it is gone.
type VersionDeleted struct {
	Version string
	Number  int // 0 where it is not a version's
	Err     *query.Error
}

// DeleteVersions deletes versions of a launch template, each by itself: one that cannot be deleted, as the default
// version cannot, keeps no other from it
// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteLaunchTemplateVersions.html).
func (c *Cloud) DeleteVersions(ref TemplateRef, versions []string) (Template, []VersionDeleted, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, err := c.template(ref)
	if err != nil {
		return Template{}, nil, err
	}
	results := make([]VersionDeleted, 0, len(versions))
	t.Versions = slices.Clone(t.Versions) // copies of the template are out there
	for _, text := range versions {
		result := VersionDeleted{Version: text}
		v, err := t.version(text)
		switch {
		case err != nil:
			// What can go wrong with one version has a shorter name in this action's answer
			// (API_ResponseError.html).
			result.Err = &query.Error{Code: "launchTemplateVersionDoesNotExist", Message: query.AsError(err).Message}
		case v.Number == t.Default:
			result.Number = v.Number
			result.Err = &query.Error{Code: "unexpectedError", Message: "The default version of a launch template cannot be deleted"}
		default:
			result.Number = v.Number
			t.Versions[v.Number-1] = TemplateVersion{Number: v.Number, Deleted: true}
		}
		results = append(results, result)
	}
	return *t, results, nil
}
