//go:build !linux

package compose

import "syscall"

// Only Linux has a death signal; elsewhere a test that is killed leaves its programs behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
