// Package imports reads what other tools say of nodes and writes it as NodePools: Karpenter's NodePool and EC2NodeClass
// (karpenter.sh/v1, karpenter.k8s.aws/v1), its older Provisioner and AWSNodeTemplate (karpenter.sh/v1alpha5,
// karpenter.k8s.aws/v1alpha1), and cluster-autoscaler's priority expander with the Auto Scaling groups that it chooses
// among. Nothing is lost silently: each field of a source is either carried into a pool or told in Result.NotCarried.
package imports

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"floe.dev/floe/api/v1alpha1"
	"floe.dev/floe/internal/catalog"
)

// File is one source.
type File struct {
	Name string
	Data []byte
}

// Options say what no source can: they win over what a source says.
type Options struct {
	// LaunchTemplate is the name of the EC2 launch template of every pool.
	LaunchTemplate string
	// Subnets are the IDs of every pool's subnets.
	Subnets []string
	// Account is every pool's spec.account.
	Account string
}

// Result is what came of the sources.
type Result struct {
	// Pools that pass all checks that can be made without an account. The highest weight comes first.
	Pools []*v1alpha1.NodePool `json:"pools"`
	// Missing is what a pool needs and no source says. A placeholder stands there, which is to be replaced before the
	// pool is applied.
	Missing []Missing `json:"missing,omitempty"`
	// Refused are pools that would break a rule of NodePools; they are not among Pools.
	Refused []Refused `json:"refused,omitempty"`
	// NotCarried is what the pools do not say.
	NotCarried []NotCarried `json:"notCarried,omitempty"`
	// Choices tell how the pools came to be what they are, where that could have been done otherwise.
	Choices []string `json:"choices,omitempty"`
	// Carried names each field of a source that went into a pool, and where to.
	Carried []Carried `json:"carried,omitempty"`
}

// Missing is a field of a pool that holds a placeholder.
type Missing struct {
	Pool  string `json:"pool"`
	Field string `json:"field"`
	Why   string `json:"why"`
	Do    string `json:"do"`
}

// Refused is a pool that was not written.
type Refused struct {
	Source string   `json:"source"`
	Pool   string   `json:"pool"`
	Errors []string `json:"errors"`
}

// NotCarried are fields of one source that no pool says, for one reason. A field stands for all that is below it.
type NotCarried struct {
	Source string   `json:"source"`
	Fields []string `json:"fields"`
	Why    string   `json:"why"`
	Do     string   `json:"do"`
}

// Carried is a field of a source, and the field of a NodePool that says the same.
type Carried struct {
	Source string `json:"source"`
	Field  string `json:"field"`
	Into   string `json:"into"`
}

// Read makes pools of the sources. It fails where a file cannot be read as YAML or JSON, or where no source among them
// is of a kind that it knows; each error names the file and the document.
func Read(files []File, options Options) (*Result, error) {
	var (
		objects []*object
		errs    []error
	)
	for _, f := range files {
		found, err := decode(f)
		objects = append(objects, found...)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	im := &importer{options: options, result: &Result{Pools: []*v1alpha1.NodePool{}}, names: map[string]bool{}}
	if !im.sort(objects) {
		return nil, errors.New("nothing to import: want " + kinds)
	}
	im.karpenter()
	im.autoscaler()
	for _, o := range objects {
		o.rest()
		im.result.NotCarried = append(im.result.NotCarried, o.lost...)
		im.result.Carried = append(im.result.Carried, o.carried...)
	}
	slices.SortStableFunc(im.result.Pools, func(a, b *v1alpha1.NodePool) int { return cmp.Compare(b.Spec.Weight, a.Spec.Weight) })
	return im.result, nil
}

// Manifest is a pool as YAML, with what it says and nothing else.
func Manifest(pool *v1alpha1.NodePool) ([]byte, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pool)
	if err != nil {
		return nil, err
	}
	delete(content, "status") // Floe's to write
	unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
	for _, empty := range []string{"template", "disruption"} {
		if m, ok, _ := unstructured.NestedMap(content, "spec", empty); ok && len(m) == 0 {
			unstructured.RemoveNestedField(content, "spec", empty)
		}
	}
	return yaml.Marshal(content)
}

// facts are the machine types to check pools by.
var facts = sync.OnceValue(catalog.Facts)

// importer is the work of one Read.
type importer struct {
	options Options
	result  *Result
	names   map[string]bool // of pools

	nodePools, provisioners []*object
	classes                 []*object // EC2NodeClass and AWSNodeTemplate
	groups                  []*object // Auto Scaling groups
	priorities              []*object // ConfigMaps of the priority expander
}

// sort tells the objects apart by apiVersion and kind. It reports whether there is one to make a pool of.
func (im *importer) sort(objects []*object) bool {
	for _, o := range objects {
		switch o.apiVersion + " " + o.kind {
		case "karpenter.sh/v1 NodePool":
			im.nodePools = append(im.nodePools, o)
		case "karpenter.sh/v1alpha5 Provisioner":
			im.provisioners = append(im.provisioners, o)
		case "karpenter.k8s.aws/v1 EC2NodeClass", "karpenter.k8s.aws/v1alpha1 AWSNodeTemplate":
			im.classes = append(im.classes, o)
		case " " + kindGroup:
			im.groups = append(im.groups, o)
		case "v1 ConfigMap":
			if o.name == priorityConfigMap {
				im.priorities = append(im.priorities, o)
				continue
			}
			o.loseAll("a ConfigMap of another purpose", "nothing")
		default:
			o.loseAll(fmt.Sprintf("apiVersion %q, kind %q is not known here", o.apiVersion, o.kind), "import "+kinds)
		}
	}
	return len(im.nodePools)+len(im.provisioners)+len(im.groups) > 0
}

const kinds = "Karpenter's NodePool and EC2NodeClass (v1), Provisioner (v1alpha5) and AWSNodeTemplate (v1alpha1), " +
	"cluster-autoscaler's ConfigMap " + priorityConfigMap + ", and the output of `aws autoscaling describe-auto-scaling-groups`"

// add checks a pool and takes it in.
func (im *importer) add(pool *v1alpha1.NodePool, source string) {
	pool.APIVersion, pool.Kind = v1alpha1.GroupVersion.String(), v1alpha1.Kind
	pool.Name = im.unique(pool.Name, source)
	pool.Spec.Account = im.options.Account
	im.complete(pool)
	whole := pool.DeepCopy()
	v1alpha1.SetDefaults(whole)
	errs := v1alpha1.Validate(whole)
	if len(errs) == 0 {
		errs = catalog.CheckPool(whole, facts())
	}
	if len(errs) > 0 {
		refused := Refused{Source: source, Pool: pool.Name}
		for _, e := range errs {
			refused.Errors = append(refused.Errors, e.Error())
		}
		im.result.Refused = append(im.result.Refused, refused)
		return
	}
	im.result.Pools = append(im.result.Pools, pool)
}

// Placeholders of what no source says. They pass the checks of form, and EC2 knows neither.
const (
	placeholderTemplate = "replace-me"
	placeholderSubnet   = "subnet-00000000000000000"
)

// complete puts the options in, and placeholders where neither they nor the source say anything.
func (im *importer) complete(pool *v1alpha1.NodePool) {
	spec := &pool.Spec
	if name := im.options.LaunchTemplate; name != "" {
		spec.LaunchTemplate = v1alpha1.LaunchTemplate{Name: name}
	}
	if len(im.options.Subnets) > 0 {
		spec.Subnets = im.options.Subnets
	}
	if spec.LaunchTemplate == (v1alpha1.LaunchTemplate{}) {
		spec.LaunchTemplate.Name = placeholderTemplate
		im.result.Missing = append(im.result.Missing, Missing{
			Pool: pool.Name, Field: "spec.launchTemplate", Why: "Floe launches machines from an EC2 launch template of yours, and the source names none",
			Do: "make one (image, user data, security groups, instance profile), or name one with --launch-template",
		})
	}
	if len(spec.Subnets) == 0 {
		spec.Subnets = []string{placeholderSubnet}
		im.result.Missing = append(im.result.Missing, Missing{
			Pool: pool.Name, Field: "spec.subnets", Why: "a pool names its subnets by ID, and the source does not",
			Do: "name them with --subnet, or import the EC2NodeClass as the cluster has it (kubectl get ec2nodeclasses -o yaml), whose status has the IDs",
		})
	}
}

// unique makes sure that no two pools have one name.
func (im *importer) unique(name, source string) string {
	free := name
	for n := 2; im.names[free]; n++ {
		free = fmt.Sprintf("%s-%d", name, n)
	}
	im.names[free] = true
	if free != name {
		im.choose("%s became pool %s: there is a pool %s already", source, free, name)
	}
	return free
}

func (im *importer) choose(format string, args ...any) {
	im.result.Choices = append(im.result.Choices, fmt.Sprintf(format, args...))
}
