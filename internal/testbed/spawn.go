package testbed

import (
	"os/exec"
	"runtime"
	"sync"
)

// spawner returns a channel to one OS thread that starts every child and lives as long as this program. On Linux a
// child may ask to be killed when its parent dies, but the kernel's "parent" is the thread that started it
// (prctl(2), PR_SET_PDEATHSIG): a goroutine's thread may end at any time, and the child would die with it.
var spawner = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// spawn starts cmd in a process group of its own, which on Linux is killed when this program dies.
func spawn(cmd *exec.Cmd) error {
	cmd.SysProcAttr = childAttributes()
	result := make(chan error)
	spawner() <- func() { result <- cmd.Start() }
	return <-result
}
