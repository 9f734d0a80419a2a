package kube

import (
	"fmt"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Requests a second, and at once, that one process may send to one API server. client-go's default is 5 and 10, which
// makes 500 nodes wait for minutes; the server's own priority and fairness is what protects it.
const (
	QPS   = 200
	Burst = 400
)

// Connect makes the clients of one cluster. An empty kubeconfig means what kubectl would use: $KUBECONFIG,
// ~/.kube/config, or the service account of the pod. It does not talk to the API server yet.
func Connect(kubeconfig string) (kubernetes.Interface, dynamic.Interface, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, nil, fmt.Errorf("kubeconfig %q: %w", kubeconfig, err)
	}
	config.QPS, config.Burst = QPS, Burst
	config.UserAgent = "floe " + rest.DefaultKubernetesUserAgent()
	pools, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, nil, fmt.Errorf("kubeconfig %q: %w", kubeconfig, err)
	}
	// Protobuf costs a fraction of JSON's CPU for pods and nodes. Custom resources have no protobuf.
	typed := rest.CopyConfig(config)
	typed.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	typed.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(typed)
	if err != nil {
		return nil, nil, fmt.Errorf("kubeconfig %q: %w", kubeconfig, err)
	}
	return client, pools, nil
}
