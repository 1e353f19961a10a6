//go:build !unix

package e2e_test

import "errors"

func limitMyself(string) error { return errors.ErrUnsupported }
