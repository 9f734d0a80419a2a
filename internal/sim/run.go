package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// The cluster's client: a thousand machines renew a thousand leases every 10 s, and boot all at once.
	kubeQPS   = 1000
	kubeBurst = 2000
	// shutdownGrace is how long calls under way may take when Run ends.
	shutdownGrace = 2 * time.Second
	headerTimeout = 10 * time.Second
)

// Run serves a simulated AWS until ctx is done.
func Run(ctx context.Context, o Options) error {
	if o.Kubeconfig != "" {
		client, err := kubeClient(o.Kubeconfig)
		if err != nil {
			return err
		}
		o.Kube = client
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s, err := New(o)
	if err != nil {
		return err
	}
	defer s.Close()
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("serve the simulated AWS: %w; choose another address with --listen", err)
	}
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: headerTimeout}
	ended := make(chan error, 1) // one result, which nobody may be left to read
	go func() { ended <- server.Serve(listener) }()
	url := "http://" + listener.Addr().String()
	if err := writeReady(o.ReadyFile, url); err != nil {
		server.Close() // the error that counts is err
		return err
	}
	s.log.Info("the simulated AWS serves", "url", url, "account", s.accounts[0].number, "region", s.region, "speed", s.speed, "joins", o.Kube != nil, "events", url+"/"+s.accounts[0].number+"/"+s.accounts[0].bus.Queue())
	select {
	case err := <-ended:
		return fmt.Errorf("serve the simulated AWS: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop the simulated AWS: %w", err)
	}
	return nil
}

func kubeClient(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %s: %w", kubeconfig, err)
	}
	config.QPS, config.Burst = kubeQPS, kubeBurst
	config.UserAgent = "floe-sim"
	// Protobuf takes a fraction of JSON's time on both sides.
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("use kubeconfig %s: %w", kubeconfig, err)
	}
	return client, nil
}

// writeReady puts the URL into the file, all of it or nothing.
func writeReady(path, url string) error {
	if path == "" {
		return nil
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".ready-*")
	if err != nil {
		return fmt.Errorf("write ready file: %w", err)
	}
	_, err = temp.WriteString(url + "\n")
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		os.Remove(temp.Name()) // best effort: the error that counts is err
		return fmt.Errorf("write ready file: %w", err)
	}
	return nil
}
