package testbed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from below the range that systems give to outgoing connections (Linux: 32768 up), so that none is
// lost to a connection between being found free and being listened on.
const (
	firstPort = 20000
	lastPort  = 32000
)

// freePorts finds n ports that nothing listens on, on loopback, at this moment.
func freePorts(n int) ([]int, error) {
	found := make([]int, 0, n)
	taken := map[int]bool{}
	for range 1000 {
		if len(found) == n {
			return found, nil
		}
		port := firstPort + rand.IntN(lastPort-firstPort)
		if !taken[port] && isFree(port) {
			taken[port] = true
			found = append(found, port)
		}
	}
	return nil, fmt.Errorf("no %d free ports between %d and %d on 127.0.0.1", n, firstPort, lastPort)
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", address(port))
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// startOnPorts starts a part that must be told its ports and cannot choose them itself. Another program may take a
// port between the look and the start; the part is started again on other ports then.
func (tb *Testbed) startOnPorts(ctx context.Context, name string, n int, of func(ports []int) command) (*Process, []int, error) {
	const tries = 5
	for try := 1; ; try++ {
		ports, err := freePorts(n)
		if err != nil {
			return nil, nil, err
		}
		p := tb.newProcess(name, of(ports))
		err = p.start(ctx)
		if err == nil {
			tb.keep(p)
			return p, ports, nil
		}
		var exited *exitError
		if !errors.As(err, &exited) || try == tries || allFree(ports) {
			return nil, nil, err
		}
	}
}

func allFree(ports []int) bool {
	for _, port := range ports {
		if !isFree(port) {
			return false
		}
	}
	return true
}
