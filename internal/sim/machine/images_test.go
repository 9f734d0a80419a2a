package machine

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"floe.dev/floe/internal/sim/cloud"
)

func TestImagesArePulledOneAfterTheOther(t *testing.T) {
	how := &Images{MiBs: 100, MiB: 200, Sizes: []ImageSize{{"registry.example/big:*", 1000}}}
	f := New(Config{Images: how})
	now := time.Date(2026, 7, 31, 12, 0, 0, 0, time.UTC)
	m := &machine{}
	m.images.add(how, "registry.example/big:1", 1, now)
	m.images.add(how, "small", 1, now)
	m.images.add(how, "small", 1, now.Add(time.Second)) // again
	names := func(after time.Duration) (list []string, next time.Time) {
		images, next := f.pulled(m, now.Add(after))
		for _, i := range images {
			list = append(list, i.Names...)
		}
		return list, next
	}
	list, next := names(9 * time.Second)
	require.Empty(t, list)
	require.Equal(t, now.Add(10*time.Second), next)
	list, next = names(10 * time.Second)
	require.Equal(t, []string{"registry.example/big:1"}, list)
	require.Equal(t, now.Add(12*time.Second), next)
	list, next = names(12 * time.Second)
	require.Equal(t, []string{"registry.example/big:1", "small"}, list, "the largest first")
	require.Zero(t, next)

	for n := range 60 {
		m.images.add(how, fmt.Sprintf("one-more-%d", n), 1, now)
	}
	list, _ = names(time.Hour)
	require.Len(t, list, listedImages)
	require.Contains(t, list, "registry.example/big:1")
}

func TestAPodsImagesAreListedOnItsNode(t *testing.T) {
	l := newLab(t, Config{Images: &Images{MiBs: 1000, MiB: 1}, Speed: 1})
	f := facts(1)
	l.power(f, cloud.PowerOn, nil)
	l.until("ready", func() bool { return l.ready(f) })
	_, err := l.kube.CoreV1().Pods("default").Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec:       corev1.PodSpec{NodeName: f.PrivateDNS, Containers: []corev1.Container{{Image: "registry.example/web@sha256:1"}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	l.until("the image is there", func() bool {
		images := l.node(f).Status.Images
		return len(images) == 1 && images[0].Names[0] == "registry.example/web@sha256:1" && images[0].SizeBytes == 1<<20
	})
}

func TestPodsWaitForTheirImages(t *testing.T) {
	l := newLab(t, Config{Images: &Images{MiBs: 1000, MiB: 1, Sizes: []ImageSize{{"huge", 1e9}}}, Speed: 1})
	f := facts(1)
	l.power(f, cloud.PowerOn, nil)
	l.until("ready", func() bool { return l.ready(f) })
	pods := l.kube.CoreV1().Pods("default")
	bind := func(name, image, label string) {
		_, err := pods.Create(t.Context(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: map[string]string{LabelImages: label, "app": name}},
			Spec:       corev1.PodSpec{NodeName: f.PrivateDNS, Containers: []corev1.Container{{Image: image}}},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	label := func(name string) string {
		pod, err := pods.Get(t.Context(), name, metav1.GetOptions{})
		require.NoError(t, err)
		require.Equal(t, name, pod.Labels["app"])
		return pod.Labels[LabelImages]
	}
	bind("small", "web", imagesWait)
	l.until("it was pulled", func() bool { return label("small") == imagesPulled })
	bind("huge", "huge", imagesWait)
	bind("after", "other", imagesWait) // behind the huge one
	bind("known", "web", imagesWait)
	l.until("what is there is not pulled again", func() bool { return label("known") == imagesPulled })
	require.Equal(t, imagesWait, label("huge"))
	require.Equal(t, imagesWait, label("after"))
}

func TestWithoutPullsNoPodWaits(t *testing.T) {
	l := newLab(t, Config{})
	f := facts(1)
	l.power(f, cloud.PowerOn, nil)
	l.until("ready", func() bool { return l.ready(f) })
	pods := l.kube.CoreV1().Pods("default")
	_, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: map[string]string{LabelImages: imagesWait}},
		Spec:       corev1.PodSpec{NodeName: f.PrivateDNS, Containers: []corev1.Container{{Image: "web"}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	l.until("let go", func() bool {
		pod, err := pods.Get(t.Context(), "web", metav1.GetOptions{})
		return err == nil && pod.Labels[LabelImages] == imagesPulled
	})
}
