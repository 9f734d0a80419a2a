package planner

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// hostPort is a port of the machine that a pod takes for itself.
type hostPort struct {
	ip       string
	protocol corev1.Protocol
	port     int32
}

// hostPorts of a pod's containers and sidecars, as the scheduler's NodePorts plugin reads them.
func hostPorts(spec *corev1.PodSpec) []hostPort {
	var ports []hostPort
	add := func(c *corev1.Container) {
		for i := range c.Ports {
			p := &c.Ports[i]
			if p.HostPort <= 0 {
				continue
			}
			h := hostPort{ip: p.HostIP, protocol: p.Protocol, port: p.HostPort}
			if h.protocol == "" {
				h.protocol = corev1.ProtocolTCP
			}
			if h.ip == "" {
				h.ip = anyIP
			}
			ports = append(ports, h)
		}
	}
	for i := range spec.InitContainers {
		if c := &spec.InitContainers[i]; c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			add(c)
		}
	}
	for i := range spec.Containers {
		add(&spec.Containers[i])
	}
	return ports
}

const anyIP = "0.0.0.0"

func (h hostPort) conflicts(o hostPort) bool {
	return h.port == o.port && h.protocol == o.protocol && (h.ip == o.ip || h.ip == anyIP || o.ip == anyIP)
}

func anyConflict(a, b []hostPort) bool {
	return slices.ContainsFunc(a, func(h hostPort) bool { return slices.ContainsFunc(b, h.conflicts) })
}
