package cli

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCheckAllowOther(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	yes, no := write("yes", "# comment\nuser_allow_other\n"), write("no", "#user_allow_other\n")
	for conf, want := range map[string]Status{yes: StatusOK, no: StatusPermission, dir + "/none": StatusPermission} {
		if got, _ := statusOf(checkAllowOther(conf, 1000)); got != want {
			t.Errorf("%s: status %d, want %d", conf, got, want)
		}
	}
	if err := checkAllowOther(no, 0); err != nil {
		t.Errorf("root: %v", err)
	}
}
