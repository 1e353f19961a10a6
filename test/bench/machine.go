package main

import (
	"os"
	"strconv"
	"strings"
)

// machine is how busy the machine has been since it started, in ticks of all
// cores together.
type machine struct{ busy, all float64 }

// look reads /proc/stat, proc(5).
func look() machine {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machine{}
	}
	line, _, _ := strings.Cut(string(text), "\n")
	var m machine
	for i, field := range strings.Fields(line) {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil || i > 8 { // guest time is in user time already
			continue
		}
		m.all += n
		if i != 4 && i != 5 { // idle, iowait
			m.busy += n
		}
	}
	return m
}
