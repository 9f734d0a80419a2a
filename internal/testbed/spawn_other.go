//go:build unix && !linux

package testbed

import "syscall"

// Only Linux has a death signal; elsewhere the watchdog alone cleans up.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
