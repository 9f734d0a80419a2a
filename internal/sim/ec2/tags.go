package ec2

import (
	"maps"
	"net/url"
	"slices"

	"floe.dev/floe/internal/sim/cloud"
	"floe.dev/floe/internal/sim/query"
)

type createTagsParams struct {
	ResourceID []string    `query:"ResourceId,required"`
	Tag        []cloud.Tag `query:",required"`
}

func (a *API) createTags(p createTagsParams, _ url.Values) (query.Result, error) {
	return &done{Return: true}, a.cloud.Tag(p.ResourceID, p.Tag)
}

type deleteTagsParams struct {
	ResourceID []string `query:"ResourceId,required"`
	Tag        []cloud.TagToDelete
}

func (a *API) deleteTags(p deleteTagsParams, _ url.Values) (query.Result, error) {
	return &done{Return: true}, a.cloud.Untag(p.ResourceID, p.Tag)
}

type describeTagsParams struct {
	paged
	Filter []filter
}

type describeTagsAnswer struct {
	query.Answer
	Tags      []resourceTagItem `xml:"tagSet>item"`
	NextToken string            `xml:"nextToken,omitempty"`
}

type resourceTagItem struct {
	ResourceID   string `xml:"resourceId"`
	ResourceType string `xml:"resourceType"`
	Key          string `xml:"key"`
	Value        string `xml:"value"`
}

// resourceTagFilters: docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeTags.html.
var resourceTagFilters = lookups[resourceTagItem]{
	"key":           one(func(i resourceTagItem) string { return i.Key }),
	"resource-id":   one(func(i resourceTagItem) string { return i.ResourceID }),
	"resource-type": one(func(i resourceTagItem) string { return i.ResourceType }),
	"value":         one(func(i resourceTagItem) string { return i.Value }),
	"tag:": func(i resourceTagItem, key string) []string {
		if i.Key != key {
			return nil
		}
		return []string{i.Value}
	},
}

// describeTags tells the tags of instances, their root volumes and launch templates, each as its own Describe shows them.
func (a *API) describeTags(p describeTagsParams, _ url.Values) (query.Result, error) {
	instances, err := a.cloud.Instances(nil)
	if err != nil {
		return nil, err
	}
	volumes, err := a.cloud.Volumes(nil)
	if err != nil {
		return nil, err
	}
	var list []resourceTagItem
	add := func(id, kind string, tags map[string]string) {
		for _, key := range slices.Sorted(maps.Keys(tags)) {
			list = append(list, resourceTagItem{id, kind, key, tags[key]})
		}
	}
	for _, t := range a.cloud.Templates() {
		add(t.ID, "launch-template", t.Tags)
	}
	for _, i := range instances {
		add(i.ID, "instance", i.Tags)
	}
	for _, v := range volumes {
		add(v.ID, "volume", v.Tags)
	}
	if list, err = resourceTagFilters.keep(list, p.Filter); err != nil {
		return nil, err
	}
	page, next, err := pageOf(list, p.paged, 5, 1000)
	if err != nil {
		return nil, err
	}
	return &describeTagsAnswer{Tags: page, NextToken: next}, nil
}
