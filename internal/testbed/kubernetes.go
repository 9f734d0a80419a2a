package testbed

import (
	"context"
	"embed"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
)

// startKubernetes brings the control plane up, parts that don't need each other at the same time.
func (tb *Testbed) startKubernetes(ctx context.Context) error {
	etcd, err := tb.startEtcd(ctx)
	if err != nil {
		return err
	}
	server, err := tb.startAPIServer(ctx, etcd)
	if err != nil {
		return err
	}
	if err := tb.writeKubeconfigs(server); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return tb.applyManifests(ctx) })
	if tb.options.Parts.has(Controllers) {
		group.Go(func() error { return tb.startControllerManager(ctx) })
		group.Go(func() error { return tb.startScheduler(ctx) })
		group.Go(func() error { return tb.startKwok(ctx) })
	}
	return group.Wait()
}

// startEtcd returns the URL for clients, who need a certificate: an API server that finds another testbed's etcd on its
// port must not come up on it.
func (tb *Testbed) startEtcd(ctx context.Context) (string, error) {
	pair, err := tb.ca.issue("etcd", "etcd")
	if err != nil {
		return "", err
	}
	probe := tb.client(pair)
	_, ports, err := tb.startOnPorts(ctx, "etcd", 2, func(ports []int) command {
		client, peer := "https://"+address(ports[0]), "http://"+address(ports[1])
		return command{
			path: tb.tools["etcd"],
			args: []string{
				"--name=etcd", "--data-dir=" + filepath.Join(tb.Dir, "etcd"),
				"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
				"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=etcd=" + peer,
				"--cert-file=" + pair.certFile, "--key-file=" + pair.keyFile,
				"--client-cert-auth", "--trusted-ca-file=" + tb.ca.path,
				"--log-level=error",
				// The data dies with the testbed, so nothing is won by waiting for the disk.
				"--unsafe-no-fsync",
			},
			ready: probe.ok(client + "/health"),
		}
	})
	if err != nil {
		return "", err
	}
	return "https://" + address(ports[0]), nil
}

// startAPIServer returns the server's URL.
func (tb *Testbed) startAPIServer(ctx context.Context, etcd string) (string, error) {
	serving, err := tb.ca.issue("apiserver", "kube-apiserver")
	if err != nil {
		return "", err
	}
	accounts, err := tb.ca.issue("service-accounts", "service-accounts")
	if err != nil {
		return "", err
	}
	admin, err := tb.ca.issue("admin", "floe-testbed-admin", "system:masters")
	if err != nil {
		return "", err
	}
	probe := tb.client(admin)
	_, ports, err := tb.startOnPorts(ctx, "kube-apiserver", 1, func(ports []int) command {
		url := "https://" + address(ports[0])
		return command{
			path: tb.tools["kube-apiserver"],
			args: []string{
				"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[0]),
				"--tls-cert-file=" + serving.certFile, "--tls-private-key-file=" + serving.keyFile,
				"--client-ca-file=" + tb.ca.path, "--authorization-mode=RBAC",
				"--etcd-servers=" + etcd, "--etcd-cafile=" + tb.ca.path,
				"--etcd-certfile=" + serving.certFile, "--etcd-keyfile=" + serving.keyFile,
				"--service-account-issuer=https://kubernetes.default.svc",
				"--service-account-key-file=" + accounts.keyFile, "--service-account-signing-key-file=" + accounts.keyFile,
				"--service-cluster-ip-range=10.96.0.0/16",
				// Pods run no code here and need no token. Without this plugin a pod can be created in a namespace the
				// moment that exists, before the controller manager has made its default service account.
				"--disable-admission-plugins=ServiceAccount",
				// Nothing reaches the server by the kubernetes service, whose endpoints may not be on loopback.
				"--endpoint-reconciler-type=none",
				"--profiling=false",
			},
			ready: probe.ok(url + "/readyz"),
		}
	})
	if err != nil {
		return "", err
	}
	return "https://" + address(ports[0]), nil
}

func (tb *Testbed) startControllerManager(ctx context.Context) error {
	kubeconfig := tb.kubeconfig("controller-manager")
	serving, err := tb.ca.issue("controller-manager", "kube-controller-manager")
	if err != nil {
		return err
	}
	probe := tb.client(serving)
	_, _, err = tb.startOnPorts(ctx, "kube-controller-manager", 1, func(ports []int) command {
		return command{
			path: tb.tools["kube-controller-manager"],
			args: []string{
				"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[0]),
				"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
				"--tls-cert-file=" + serving.certFile, "--tls-private-key-file=" + serving.keyFile,
				// Each controller as its own service account, with the role that Kubernetes gives to it.
				"--use-service-account-credentials",
				"--service-account-private-key-file=" + filepath.Join(tb.Dir, "pki", "service-accounts.key"),
				"--root-ca-file=" + tb.ca.path,
				"--leader-elect=false", "--profiling=false",
				// Nobody but this testbed asks it anything: no front proxy to look up.
				"--authentication-skip-lookup",
				// The default of 20 requests a second would make it the slowest part of every burst.
				"--kube-api-qps=1000", "--kube-api-burst=2000",
			},
			ready: probe.ok("https://" + address(ports[0]) + "/healthz"),
		}
	})
	return err
}

// schedulerConfig: the scheduler ignores --kube-api-qps and its like where it is given a config file, and they are
// deprecated (kube-scheduler --help). Profiles, back-off and plugins stay as they are by default, as in real clusters.
const schedulerConfig = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection:
  kubeconfig: %s
  qps: 1000
  burst: 2000
leaderElection:
  leaderElect: false
enableProfiling: false
`

func (tb *Testbed) startScheduler(ctx context.Context) error {
	kubeconfig := tb.kubeconfig("scheduler")
	file := filepath.Join(tb.Dir, "scheduler.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, schedulerConfig, kubeconfig), 0o600); err != nil {
		return err
	}
	serving, err := tb.ca.issue("scheduler", "kube-scheduler")
	if err != nil {
		return err
	}
	probe := tb.client(serving)
	_, _, err = tb.startOnPorts(ctx, "kube-scheduler", 1, func(ports []int) command {
		return command{
			path: tb.tools["kube-scheduler"],
			args: []string{
				"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", ports[0]),
				"--config=" + file, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
				"--tls-cert-file=" + serving.certFile, "--tls-private-key-file=" + serving.keyFile,
				"--authentication-skip-lookup",
			},
			ready: probe.ok("https://" + address(ports[0]) + "/readyz"),
		}
	})
	return err
}

//go:embed kwok/*.yaml
var kwokFiles embed.FS

// LabelSimulated, "true" on a Node, gives the node's pods to KWOK. The simulated machines carry it, and nodes that a
// test makes by hand must.
const LabelSimulated = "floe.dev/sim"

// startKwok runs the kubelet's stand-in for pods. It touches no Node and no Lease: once KWOK has taken a node's lease it
// goes on renewing it, and a frozen or dead machine would look alive. Whoever makes the Node keeps both.
func (tb *Testbed) startKwok(ctx context.Context) error {
	var configs []string
	entries, err := kwokFiles.ReadDir("kwok")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		data, err := kwokFiles.ReadFile("kwok/" + entry.Name())
		if err != nil {
			return err
		}
		file := filepath.Join(tb.Dir, "kwok-"+entry.Name())
		if err := os.WriteFile(file, data, 0o600); err != nil {
			return err
		}
		configs = append(configs, "--config="+file)
	}
	probe := plainProbe()
	_, _, err = tb.startOnPorts(ctx, "kwok", 1, func(ports []int) command {
		return command{
			path: tb.tools["kwok"],
			args: append([]string{
				"--kubeconfig=" + tb.kubeconfig("kwok"),
				"--manage-nodes-with-label-selector=" + LabelSimulated + "=true",
				"--node-lease-duration-seconds=0",
				"--cidr=10.244.0.0/16",
				"-v=WARN", // INFO is a line for each pod
				"--server-address=" + address(ports[0]),
			}, configs...),
			ready: probe.ok("http://" + address(ports[0]) + "/healthz"),
		}
	})
	return err
}

// probe asks parts whether they serve.
type probe struct{ http *http.Client }

// client is a probe that shows a certificate and trusts the testbed's authority alone.
func (tb *Testbed) client(pair keyPair) probe {
	p := plainProbe()
	p.http.Transport = &http.Transport{TLSClientConfig: tb.ca.clientConfig(pair), DisableKeepAlives: true}
	return p
}

// plainProbe is a probe for what is served without TLS.
func plainProbe() probe { return probe{http: &http.Client{Timeout: 2 * time.Second}} }

// ok asks for a page that answers 200 once the part serves.
func (p probe) ok(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := p.http.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, res.Status)
		}
		return nil
	}
}

// unlimited takes client-go's default of 5 requests a second away.
func unlimited(config *rest.Config) *rest.Config {
	config.QPS = -1
	return config
}
