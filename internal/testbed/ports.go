package testbed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"floe.dev/floe/internal/testbed/toolchain"
)

// Ports are taken from below the range that systems give to outgoing connections (Linux: 32768 up), so that none is
// lost to a connection between being found free and being listened on, and in blocks, of which each belongs to one
// testbed of this user at a time: two parts on one port would not only fail, but take each other's health for their own.
const (
	firstPort = 20000
	lastPort  = 32000
	blockSize = 20 // a whole testbed needs half of it
	blocks    = (lastPort - firstPort) / blockSize
)

// ports are the ports that one testbed may use.
type ports struct {
	mu      sync.Mutex
	dir     string // of the blocks' lock files
	next    int    // the next port to look at
	end     int    // of the block
	unlocks []func()
}

func newPorts() (*ports, error) {
	cache, err := toolchain.CacheDir()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, "ports")
	return &ports{dir: dir}, os.MkdirAll(dir, 0o755)
}

// take gives n ports that nothing listens on, and that it never gave before.
func (p *ports) take(n int) ([]int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := make([]int, 0, n)
	for len(taken) < n {
		if p.next == p.end {
			if err := p.takeBlock(); err != nil {
				return nil, err
			}
		}
		if isFree(p.next) {
			taken = append(taken, p.next)
		}
		p.next++
	}
	return taken, nil
}

func (p *ports) takeBlock() error {
	for _, block := range rand.Perm(blocks) {
		unlock, ok, err := toolchain.TryLock(filepath.Join(p.dir, strconv.Itoa(block)))
		if err != nil {
			return err
		}
		if ok {
			p.unlocks = append(p.unlocks, unlock)
			p.next = firstPort + block*blockSize
			p.end = p.next + blockSize
			return nil
		}
	}
	return fmt.Errorf("all ports from %d to %d belong to other testbeds: end some of them", firstPort, lastPort)
}

// release lets other testbeds have the ports.
func (p *ports) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, unlock := range p.unlocks {
		unlock()
	}
	p.unlocks, p.next, p.end = nil, 0, 0
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

// startOnPorts starts a part that must be told its ports and cannot choose them itself. A stranger may take a port
// between the look and the start; the part is started again on other ports then.
func (tb *Testbed) startOnPorts(ctx context.Context, name string, n int, of func(ports []int) command) (*Process, []int, error) {
	const tries = 5
	for try := 1; ; try++ {
		ports, err := tb.ports.take(n)
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
