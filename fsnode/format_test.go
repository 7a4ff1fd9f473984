package fsnode

import (
	"encoding/hex"
	"testing"

	"pifs/blockstore"
)

// TestFormatIsGolden pins the bytes that FORMAT.md describes: a change of any
// of them would make stored trees unreadable.
func TestFormatIsGolden(t *testing.T) {
	for name, c := range map[string]struct {
		v    any
		want string
	}{
		"entry": {&entry{Mode: modeFile | 0o644, Mtime: Time{Sec: 1_600_000_000, Nsec: 5}, Size: 5, Inline: []byte("hello")},
			goldenEntry},
		"side": {&side{Ino: 7, Ctime: Time{Sec: 1}, Atime: Time{Sec: -1, Nsec: 9}}, goldenSide},
		"run":  {&indexRun{Len: 1 << 20, Ref: blockstore.Ref{Size: 1 << 20}}, goldenRun},
	} {
		b, err := blockstore.Marshal(c.v)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(b); got != c.want {
			t.Errorf("%s: %d bytes\n%s, want\n%s", name, len(b), got, c.want)
		}
	}
}

const (
	goldenEntry = "9bcd81a4000092ce5f5e1000050500a0c0c40568656c6c6fc0c0"
	goldenSide  = "940792010092ff09c0"
	goldenRun   = "92ce0010000093c4200000000000000000000000000000000000000000000000000000000000000000c4200000000000000000000000000000000000000000000000000000000000000000ce00100000"
)
