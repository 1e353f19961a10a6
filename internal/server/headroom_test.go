package server

import "testing"

func TestTheOperatorsSettingsOfTheCollectorHold(t *testing.T) {
	for _, set := range []string{"GOGC", "GOMEMLIMIT"} {
		if Headroom(func(name string) string { return map[string]string{set: "1"}[name] }) != nil {
			t.Errorf("%s is set, and there is headroom", set)
		}
	}
	if got := len(Headroom(func(string) string { return "" })); got != headroom {
		t.Errorf("%d bytes of headroom, want %d", got, headroom)
	}
}
