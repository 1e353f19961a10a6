package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// prepareFolder makes the data folder, and finds out whether it can be written.
func prepareFolder(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return ExplainFolder(folder, err)
	}
	probe, err := os.CreateTemp(folder, ".probe-*")
	if err != nil {
		return ExplainFolder(folder, err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// ExplainFolder says in one sentence why the data folder cannot be used.
func ExplainFolder(folder string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the data folder %s cannot be written by this user: change its owner, or choose another", folder)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return fmt.Errorf("the data folder %s is, or is below, something that is not a folder: choose another", folder)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("the data folder %s has no space left", folder)
	}
	return fmt.Errorf("the data folder %s cannot be used: %w", folder, err)
}
