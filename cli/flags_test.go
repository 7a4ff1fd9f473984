package cli

import "testing"

func TestParseSize(t *testing.T) {
	good := map[string]int64{
		"1": 1, "512": 512, "4K": 4096, "500M": 500 << 20, "8G": 8 << 30, "8g": 8 << 30,
		"8GiB": 8 << 30, "1.5T": 3 << 39, "10KB": 10240, "7B": 7,
	}
	for text, want := range good {
		if got, err := parseSize(text); got != want || err != nil {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "G", "-1", "0", "x", "1Q", "1MM", "9999999T", "NaN", "1 0"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is %d", text, got)
		} else if s, _ := statusOf(err); s != StatusUsage {
			t.Errorf("%q: status %d", text, s)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 3 << 29: "1.5 GiB", 1 << 50: "1.0 PiB"} {
		if got := size(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
