package imports

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// decode reads a file, YAML or JSON, one or many documents. Lists are taken apart: those of Kubernetes, and that of
// `aws autoscaling describe-auto-scaling-groups`.
func decode(f File) ([]*object, error) {
	var (
		objects []*object
		errs    []error
	)
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(f.Data)))
	for n := 1; ; n++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: document %d: %w", f.Name, n, err)
		}
		found, err := decodeDocument(f.Name, document)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: document %d: %w", f.Name, n, err))
		}
		objects = append(objects, found...)
	}
	return objects, errors.Join(errs...)
}

func decodeDocument(file string, document []byte) ([]*object, error) {
	text, err := yaml.YAMLToJSON(document)
	if err != nil {
		return nil, fmt.Errorf("neither YAML nor JSON: %w", err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return nil, fmt.Errorf("not an object: %w", err)
	}
	if value == nil {
		return nil, nil
	}
	content, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("not an object: want one with apiVersion and kind, or with AutoScalingGroups")
	}
	if _, ok := content["AutoScalingGroups"]; ok {
		return takeApart(file, content, "AutoScalingGroups", newGroup)
	}
	if kind, _ := content["kind"].(string); strings.HasSuffix(kind, "List") {
		return takeApart(file, content, "items", newObject)
	}
	return []*object{newObject(file, content)}, nil
}

func takeApart(file string, content map[string]any, field string, make func(string, map[string]any) *object) ([]*object, error) {
	list, ok := content[field].([]any)
	if !ok {
		return nil, fmt.Errorf("%s: want a list", field)
	}
	var objects []*object
	for i, item := range list {
		inner, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s[%d]: want an object", field, i)
		}
		objects = append(objects, make(file, inner))
	}
	// What stands beside the list is told of too.
	beside := map[string]any{}
	for key, value := range content {
		if key != field && key != "apiVersion" && key != "kind" {
			beside[key] = value
		}
	}
	envelope := &object{file: file, kind: "List", name: field, content: beside, told: map[string]bool{}}
	envelope.loseAll("it is of the list, not of what is in it", "nothing, unless it is a NextToken: then fetch the other pages too (aws does so by itself)")
	return append(objects, envelope), nil
}

func newObject(file string, content map[string]any) *object {
	o := &object{file: file, content: content, told: map[string]bool{}}
	root := o.root()
	o.apiVersion, o.kind, o.name = root.get("apiVersion").text(), root.get("kind").text(), root.get("metadata", "name").text()
	o.told["apiVersion"], o.told["kind"] = true, true
	metadata := root.get("metadata")
	for _, field := range []string{
		"creationTimestamp", "uid", "resourceVersion", "generation", "managedFields", "selfLink", "finalizers", "ownerReferences", "namespace",
	} {
		metadata.get(field).idle()
	}
	for _, annotation := range metadata.get("annotations").entries() {
		if bookkeeping[annotation.key] {
			annotation.idle()
		}
	}
	for _, field := range []string{"labels", "annotations"} {
		metadata.get(field).loseEntries("a label or annotation of the object itself, not of its nodes", "put it into the pool's metadata where something reads it")
	}
	return o
}

// loseEntries tells of each field below n on its own.
func (n node) loseEntries(why, do string) {
	for _, entry := range n.entries() {
		entry.lose(why, do)
	}
}

// bookkeeping are annotations that tools leave behind (karpenter.sh, "v1 Migration"; kubernetes.io, "Well-Known Labels,
// Annotations and Taints").
var bookkeeping = map[string]bool{
	"kubectl.kubernetes.io/last-applied-configuration": true,
	"karpenter.sh/nodepool-hash":                       true,
	"karpenter.sh/nodepool-hash-version":               true,
	"karpenter.sh/provisioner-hash":                    true,
	"karpenter.k8s.aws/ec2nodeclass-hash":              true,
	"karpenter.k8s.aws/ec2nodeclass-hash-version":      true,
	"karpenter.k8s.aws/awsnodetemplate-hash":           true,
}
