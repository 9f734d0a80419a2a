package machine

import (
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// kubelet is how a machine's kubelet was told to behave.
type kubelet struct {
	labels   map[string]string
	taints   []corev1.Taint
	maxPods  int // 0: by the network interfaces
	reserved corev1.ResourceList
	// external is true where a cloud provider outside of the kubelet makes its Node whole.
	external bool
}

// flagForm is a kubelet flag anywhere in user data, up to white space, a quote or a line's end. It may be inside of
// another program's argument, as in bootstrap.sh --kubelet-extra-args '--node-labels=a=b'.
var flagForm = regexp.MustCompile(`--(node-labels|register-with-taints|max-pods|cloud-provider|kube-reserved|system-reserved|eviction-hard)[= ]([^\s'"\\]+)`)

// readUserData finds the kubelet's flags in a machine's user data
// (kubernetes.io/docs/reference/command-line-tools-reference/kubelet). What cannot be understood is left out, and told:
// on a real machine the kubelet would not start.
func readUserData(userData string) (k kubelet, problems []string) {
	k = kubelet{labels: map[string]string{}, reserved: corev1.ResourceList{}}
	for _, m := range flagForm.FindAllStringSubmatch(userData, -1) {
		name, value := m[1], m[2]
		if !k.flag(name, value) {
			problems = append(problems, "--"+name+"="+value)
		}
	}
	return k, problems
}

func (k *kubelet) flag(name, value string) (ok bool) {
	switch name {
	case "max-pods":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return false
		}
		k.maxPods = n
		return true
	case "cloud-provider":
		k.external = value == "external"
		return true
	case "eviction-hard":
		for _, item := range strings.Split(value, ",") {
			if amount, is := strings.CutPrefix(item, "memory.available<"); is && !k.reserve(corev1.ResourceMemory, amount) {
				return false
			}
		}
		return true
	case "register-with-taints":
		for _, item := range strings.Split(value, ",") {
			taint, ok := parseTaint(item)
			if !ok {
				return false
			}
			k.taints = append(k.taints, taint)
		}
		return true
	}
	for _, item := range strings.Split(value, ",") {
		key, v, found := strings.Cut(item, "=")
		if !found || key == "" {
			return false
		}
		if name == "node-labels" {
			k.labels[key] = v
		} else if !k.reserve(corev1.ResourceName(key), v) {
			return false
		}
	}
	return true
}

// reserve keeps more of a resource from pods.
func (k *kubelet) reserve(name corev1.ResourceName, amount string) (ok bool) {
	q, err := resource.ParseQuantity(amount)
	if err != nil || q.Sign() < 0 {
		return false
	}
	sum := k.reserved[name]
	sum.Add(q)
	k.reserved[name] = sum
	return true
}

// parseTaint reads key[=value]:effect.
func parseTaint(text string) (corev1.Taint, bool) {
	keyValue, effect, found := strings.Cut(text, ":")
	key, value, _ := strings.Cut(keyValue, "=")
	t := corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}
	switch t.Effect {
	case corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
		return t, found && key != ""
	default:
		return t, false
	}
}
