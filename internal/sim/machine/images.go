package machine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// Images is how machines pull the images of the pods that are bound to them: one after the other, as a kubelet does unless
// it is told otherwise (kubernetes.io/docs/concepts/containers/images, "Serial and parallel image pulls").
type Images struct {
	// MiBs is what a machine pulls and unpacks, in MiB a second.
	MiBs float64
	// MiB is how large an image is that no rule of Sizes matches.
	MiB float64
	// Sizes are images by pattern; the first that matches holds.
	Sizes []ImageSize
}

// ImageSize is how large the images of a pattern are; * does not match a slash.
type ImageSize struct {
	Image string
	MiB   float64
}

func (i *Images) mib(image string) float64 {
	for _, s := range i.Sizes {
		if ok, err := path.Match(s.Image, image); ok && err == nil {
			return s.MiB
		}
	}
	return i.MiB
}

// listedImages is how many images a Node lists, the largest first
// (kubernetes.io/docs/reference/command-line-tools-reference/kubelet, nodeStatusMaxImages).
const listedImages = 50

// LabelImages, "wait", is on pods that are to start no sooner than their images are on their machine, and "pulled" once they
// are. KWOK cannot know what a machine has pulled: a stage that runs pods must leave those alone that wait.
const (
	LabelImages  = "floe.dev/sim-images"
	imagesWait   = "wait"
	imagesPulled = "pulled"
)

// waiting is a pod that waits for its images.
type waiting struct {
	namespace, name string
	uid             types.UID
	images          []string
}

// pulls are a machine's images, in the order in which they were asked for.
type pulls []pull

type pull struct {
	image string
	bytes int64
	done  time.Time
}

// watchPods hears which pods are bound to machines: all of them, or those that wait, where machines pull nothing.
func (f *Fleet) watchPods(ctx context.Context) {
	factory := informers.NewSharedInformerFactoryWithOptions(f.cfg.Kube, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermNotEqualSelector("spec.nodeName", "").String()
		if f.cfg.Images == nil {
			o.LabelSelector = LabelImages + "=" + imagesWait
		}
	}), informers.WithTransform(func(o any) (any, error) {
		// Of each pod no more is kept than it takes to tell that it was seen.
		if pod, is := o.(*corev1.Pod); is {
			o = &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{
					Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
					Labels: map[string]string{LabelImages: pod.Labels[LabelImages]},
				},
				Spec: corev1.PodSpec{NodeName: pod.Spec.NodeName, InitContainers: imagesOf(pod.Spec.InitContainers), Containers: imagesOf(pod.Spec.Containers)},
			}
		}
		return o, nil
	}))
	_, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) {
			if pod, is := o.(*corev1.Pod); is {
				f.bound(pod)
			}
		},
		UpdateFunc: func(_, o any) {
			if pod, is := o.(*corev1.Pod); is {
				f.bound(pod)
			}
		},
	})
	if err != nil { // only where the informer has stopped
		f.cfg.Log.Error("machines pull no images", "error", err)
		return
	}
	factory.Start(ctx.Done())
	<-ctx.Done()
	factory.Shutdown()
}

func imagesOf(containers []corev1.Container) []corev1.Container {
	list := make([]corev1.Container, 0, len(containers))
	for _, c := range containers {
		list = append(list, corev1.Container{Image: c.Image})
	}
	return list
}

// bound lets a machine pull a pod's images.
func (f *Fleet) bound(pod *corev1.Pod) {
	if pod.Spec.NodeName == "" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.machines[f.names[pod.Spec.NodeName]]
	if !ok {
		return
	}
	w := waiting{namespace: pod.Namespace, name: pod.Name, uid: pod.UID}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if f.cfg.Images != nil {
			m.images.add(f.cfg.Images, c.Image, f.cfg.Speed, time.Now())
			w.images = append(w.images, c.Image)
		}
	}
	if pod.Labels[LabelImages] == imagesWait && !slices.ContainsFunc(m.waiting, func(known waiting) bool { return known.uid == w.uid }) {
		m.waiting = append(m.waiting, w)
	}
	f.queue.Add(m.facts.ID)
}

// release lets those pods start whose images are all there.
func (f *Fleet) release(ctx context.Context, m *machine, now time.Time) error {
	for _, w := range f.served(m, now) {
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": w.uid, "labels": map[string]string{LabelImages: imagesPulled}}})
		if err != nil {
			return err
		}
		_, err = f.cfg.Kube.CoreV1().Pods(w.namespace).Patch(ctx, w.name, types.MergePatchType, patch, metav1.PatchOptions{})
		// Another UID is a conflict: the pod is gone, and one of its name has come.
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) && !apierrors.IsInvalid(err) {
			return fmt.Errorf("let pod %s/%s start: %w", w.namespace, w.name, err)
		}
		f.mu.Lock()
		m.waiting = slices.DeleteFunc(m.waiting, func(known waiting) bool { return known.uid == w.uid })
		f.mu.Unlock()
	}
	return nil
}

// served are the pods that wait no longer.
func (f *Fleet) served(m *machine, now time.Time) []waiting {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []waiting
	for _, w := range m.waiting {
		missing := slices.ContainsFunc(m.images, func(p pull) bool { return p.done.After(now) && slices.Contains(w.images, p.image) })
		if !missing {
			list = append(list, w)
		}
	}
	return list
}

// add asks for one more image, unless it was asked for before.
func (p *pulls) add(how *Images, image string, speed float64, now time.Time) {
	if slices.ContainsFunc(*p, func(known pull) bool { return known.image == image }) {
		return
	}
	begin := now
	if n := len(*p); n > 0 && (*p)[n-1].done.After(begin) {
		begin = (*p)[n-1].done
	}
	mib := how.mib(image)
	needs := time.Duration(mib / how.MiBs / speed * float64(time.Second))
	*p = append(*p, pull{image: image, bytes: int64(mib * (1 << 20)), done: begin.Add(needs)})
}

// pulled are the images that a machine lists by now, and when there will be one more; zero where none is under way.
func (f *Fleet) pulled(m *machine, now time.Time) (images []corev1.ContainerImage, next time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range m.images {
		if p.done.After(now) {
			next = p.done
			break
		}
		images = append(images, corev1.ContainerImage{Names: []string{p.image}, SizeBytes: p.bytes})
	}
	slices.SortStableFunc(images, func(a, b corev1.ContainerImage) int { return cmp.Compare(b.SizeBytes, a.SizeBytes) })
	return images[:min(len(images), listedImages)], next
}
