//go:build !unix

package storetest

import "syscall"

// unprivileged returns how to start the server: there is no /bin/sh to do it.
func unprivileged(string) (*syscall.SysProcAttr, error) { return nil, errNone }
