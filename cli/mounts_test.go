package cli

import (
	"strings"
	"testing"
)

func TestParseMounts(t *testing.T) {
	const table = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda rw
300 22 0:50 / /mnt/my\040drive rw,nosuid - fuse.pifs photos@/home/x/a\040b rw,user_id=0
301 22 0:51 / /mnt/other rw shared:7 master:2 - fuse.sshfs host: rw
garbage
302 22 0:52 / /mnt/x rw - fuse.pifs pifs rw
`
	got, err := parseMounts(strings.NewReader(table))
	if err != nil {
		t.Fatal(err)
	}
	want := []mountEntry{{"/mnt/my drive", "/home/x/a b", "photos"}, {"/mnt/x", "", ""}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %+v", got)
	}
}

func FuzzParseMounts(f *testing.F) {
	f.Add("300 22 0:50 / /mnt/my\\040drive rw - fuse.pifs v@/h\\134x rw\n")
	f.Add("1 2 3 4 \\4 - fuse.pifs @\n")
	f.Fuzz(func(t *testing.T, table string) {
		got, err := parseMounts(strings.NewReader(table))
		if err == nil && len(got) > strings.Count(table, "fuse.pifs") {
			t.Errorf("%d mounts in %q", len(got), table)
		}
	})
}
