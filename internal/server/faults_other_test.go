//go:build !linux

package server_test

import "testing"

// unacceptable returns an address at which connections are not taken up: none is
// there, and mostly nobody says so.
func unacceptable(*testing.T) string { return "203.0.113.1:80" }

// openDescriptors counts nothing here.
func openDescriptors(*testing.T) int { return 0 }
