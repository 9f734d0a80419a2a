package plan

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// demand is what a file of pods holds.
type demand struct {
	pods       []*corev1.Pod
	daemonSets []*appsv1.DaemonSet
	namespaces []*corev1.Namespace
	seen       map[string]bool // pods by namespace/name
}

// readPods reads pods that need room. As CSV: see PodsFromCSV. As Kubernetes YAML or JSON, one or many documents: Pod,
// Deployment, StatefulSet, ReplicaSet and Job (as many pods as they ask for), DaemonSet (it takes its part of every
// machine bought), Namespace (for affinity that selects by its labels), and lists of these.
func readPods(f File) (*demand, error) {
	if isCSV(f) {
		pods, err := PodsFromCSV(f)
		return &demand{pods: pods}, err
	}
	d := &demand{seen: map[string]bool{}}
	var errs []error
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(f.Data)))
	for n := 1; ; n++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && len(bytes.TrimSpace(document)) > 0 {
			err = d.decode(document)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: document %d: %w", f.Name, n, err))
		}
	}
	if len(errs) == 0 && len(d.pods) == 0 {
		return nil, fmt.Errorf("%s: no pod: want %s, or CSV with the columns name,cpu_milli,memory_mib", f.Name, podKinds)
	}
	return d, mistakes(f.Name, errs)
}

const podKinds = "Pod, Deployment, StatefulSet, ReplicaSet, Job, DaemonSet, Namespace or a List of these"

// decoder reads the kinds that have pods, and refuses fields that they don't have.
var decoder = func() runtime.Decoder {
	scheme := runtime.NewScheme()
	utilruntime.Must(corev1.AddToScheme(scheme))
	utilruntime.Must(appsv1.AddToScheme(scheme))
	utilruntime.Must(batchv1.AddToScheme(scheme))
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}()

func (d *demand) decode(document []byte) error {
	object, kind, err := decoder.Decode(document, nil, nil)
	switch {
	case runtime.IsNotRegisteredError(err):
		var of metav1.TypeMeta
		_ = yaml.Unmarshal(document, &of) // the decoder has read it before
		return fmt.Errorf("apiVersion, kind: %s %s has no pods: want %s", of.APIVersion, of.Kind, podKinds)
	case runtime.IsMissingKind(err), runtime.IsMissingVersion(err):
		return fmt.Errorf("no apiVersion and kind: want %s", podKinds)
	case err != nil:
		return err
	}
	switch o := object.(type) {
	case *corev1.Pod:
		return d.add(o)
	case *appsv1.Deployment:
		return d.addTemplate(&o.ObjectMeta, o.Spec.Replicas, &o.Spec.Template)
	case *appsv1.StatefulSet:
		return d.addTemplate(&o.ObjectMeta, o.Spec.Replicas, &o.Spec.Template)
	case *appsv1.ReplicaSet:
		return d.addTemplate(&o.ObjectMeta, o.Spec.Replicas, &o.Spec.Template)
	case *batchv1.Job:
		return d.addTemplate(&o.ObjectMeta, o.Spec.Parallelism, &o.Spec.Template)
	case *appsv1.DaemonSet:
		inDefault(&o.ObjectMeta)
		requestLimits(&o.Spec.Template.Spec)
		d.daemonSets = append(d.daemonSets, o)
		return nil
	case *corev1.Namespace:
		d.namespaces = append(d.namespaces, o)
		return nil
	case *corev1.PodList:
		for i := range o.Items {
			if err := d.add(&o.Items[i]); err != nil {
				return fmt.Errorf("items[%d]: %w", i, err)
			}
		}
		return nil
	case *corev1.List:
		for i := range o.Items {
			if err := d.decode(o.Items[i].Raw); err != nil {
				return fmt.Errorf("items[%d]: %w", i, err)
			}
		}
		return nil
	}
	return fmt.Errorf("kind: %s has no pods: want %s", kind.Kind, podKinds)
}

// maxReplicas of one object: what a cluster of the largest supported size runs
// (kubernetes.io/docs/setup/best-practices/cluster-large).
const maxReplicas = 150_000

// addTemplate adds the pods that a controller would create.
func (d *demand) addTemplate(of *metav1.ObjectMeta, replicas *int32, template *corev1.PodTemplateSpec) error {
	n := int32(1)
	if replicas != nil {
		n = *replicas
	}
	if n < 0 || n > maxReplicas {
		return fmt.Errorf("%s: %d pods, want 0 to %d", of.Name, n, maxReplicas)
	}
	for i := range n {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s-%d", of.Name, i), Namespace: of.Namespace, Labels: maps.Clone(template.Labels),
		}, Spec: template.Spec}
		if err := d.add(pod); err != nil {
			return err
		}
	}
	return nil
}

// add adds a pod as the API server would have it.
func (d *demand) add(pod *corev1.Pod) error {
	inDefault(&pod.ObjectMeta)
	name := pod.Namespace + "/" + pod.Name
	if pod.Name == "" {
		return errors.New("metadata.name: empty: want the pod's name")
	}
	if d.seen[name] {
		return fmt.Errorf("metadata.name: pod %s is there twice: want each once", name)
	}
	if len(pod.Spec.Containers) == 0 {
		return fmt.Errorf("pod %s: spec.containers: none: want one or more", name)
	}
	d.seen[name] = true
	requestLimits(&pod.Spec)
	d.pods = append(d.pods, pod)
	return nil
}

func inDefault(m *metav1.ObjectMeta) {
	if m.Namespace == "" {
		m.Namespace = metav1.NamespaceDefault
	}
}

// requestLimits requests what is limited and not requested, as the API server does for containers
// (kubernetes.io/docs/concepts/configuration/manage-resources-containers).
func requestLimits(spec *corev1.PodSpec) {
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			r := &containers[i].Resources
			for name, limit := range r.Limits {
				if _, ok := r.Requests[name]; ok {
					continue
				}
				if r.Requests == nil {
					r.Requests = corev1.ResourceList{}
				}
				r.Requests[name] = limit
			}
		}
	}
}
