package testbed

import (
	"fmt"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// user is somebody who talks to the API server, and whom it knows by a certificate.
type user struct {
	file   string // of the kubeconfig, less .kubeconfig
	name   string
	groups []string
}

// The controller manager's and the scheduler's roles come with Kubernetes; the others have the role of their own name, of
// roles.yaml and deploy/rbac.
var users = []user{
	{file: "admin", name: "floe-testbed-admin", groups: []string{"system:masters"}},
	{file: "controller-manager", name: "system:kube-controller-manager"},
	{file: "scheduler", name: "system:kube-scheduler"},
	{file: "kwok", name: "floe-testbed-kwok"},
	{file: "sim", name: "floe-testbed-sim"},
	{file: "worker", name: "floe-worker"},
	{file: "watcher", name: "floe-watcher"},
}

func (tb *Testbed) kubeconfig(file string) string {
	return filepath.Join(tb.Dir, file+".kubeconfig")
}

// writeKubeconfigs gives each user a kubeconfig with the certificate in it, so that the file alone is enough.
func (tb *Testbed) writeKubeconfigs(server string) error {
	for _, u := range users {
		pair, err := tb.ca.issue("user-"+u.file, u.name, u.groups...)
		if err != nil {
			return err
		}
		config := clientcmdapi.NewConfig()
		config.Clusters[tb.Cluster] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: tb.ca.pem}
		config.AuthInfos[u.name] = &clientcmdapi.AuthInfo{ClientCertificateData: pair.certPEM, ClientKeyData: pair.keyPEM}
		config.Contexts[tb.Cluster] = &clientcmdapi.Context{Cluster: tb.Cluster, AuthInfo: u.name}
		config.CurrentContext = tb.Cluster
		if err := clientcmd.WriteToFile(*config, tb.kubeconfig(u.file)); err != nil {
			return fmt.Errorf("kubeconfig of %s: %w", u.name, err)
		}
	}
	tb.AdminKubeconfig = tb.kubeconfig("admin")
	tb.WorkerKubeconfig = tb.kubeconfig("worker")
	tb.WatcherKubeconfig = tb.kubeconfig("watcher")
	config, err := clientcmd.BuildConfigFromFlags("", tb.AdminKubeconfig)
	if err != nil {
		return err
	}
	tb.Kube = unlimited(config)
	return nil
}
