package job

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestData(t *testing.T) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		data     Data
		from, to float64
	}{{Random, 0.99, 1.01}, {Text, 0.2, 0.5}} {
		p, err := c.data.Bytes(mib+3, 1)
		if err != nil {
			t.Fatal(err)
		}
		if ratio := float64(len(enc.EncodeAll(p, nil))) / float64(len(p)); ratio < c.from || ratio > c.to {
			t.Errorf("%q compresses to %.2f", c.data, ratio)
		}
		again, _ := c.data.Bytes(mib+3, 1)
		other, _ := c.data.Bytes(mib+3, 2)
		if !bytes.Equal(p, again) || bytes.Equal(p[:100], other[:100]) {
			t.Errorf("%q does not depend on its seed alone", c.data)
		}
	}
	if _, err := Data("nonsense").Bytes(1, 1); err == nil {
		t.Error("there are data of nonsense")
	}
}

func TestPlaces(t *testing.T) {
	s := Spec{Size: 1 << 20, Block: 4 << 10, Count: 16}
	places, err := s.places(64 << 10)
	if err != nil {
		t.Fatal(err)
	}
	slots := make(map[int64]bool)
	for _, at := range places {
		if at%s.Block != 0 || at < 0 || at+s.Block > s.Size {
			t.Errorf("place %d", at)
		}
		slots[at>>16] = true
	}
	if len(slots) != 16 || slices.IsSorted(places) {
		t.Errorf("places %v", places)
	}
	if _, err := s.places(128 << 10); err == nil {
		t.Error("16 places of 128 KiB fit into 1 MiB")
	}
}

// serve does a job in this process.
func serve(spec string) (string, error) {
	var out strings.Builder
	err := Serve(spec, strings.NewReader("\n"), &out)
	return out.String(), err
}

func TestServe(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, spec := range []string{
		`{"Do":"write","Size":3000000,"Seed":7}`, `{"Do":"read","Size":3000000}`, `{"Do":"overwrite","Size":3000000,"Block":4096,"Count":9,"Every":4}`,
		`{"Do":"read-random","Size":3000000,"Block":4096,"Count":9}`, `{"Do":"append","Block":100,"Count":10}`, `{"Do":"read","Size":3001000}`,
	} {
		out, err := serve(spec[:len(spec)-1] + `,"Path":"` + path + `"}`)
		if err != nil || out != "ready\ndone\n" {
			t.Fatalf("%s: %q, %v", spec, out, err)
		}
	}
	if _, err := serve(`{"Do":"read","Size":5,"Path":"` + path + `"}`); err == nil {
		t.Error("a file of another size is read")
	}
	if out, err := serve(`{"Do":"nonsense"}`); err == nil || out != "" {
		t.Errorf("nonsense: %q, %v", out, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if out, err := serve(`{"Do":"read","Path":"` + path + `"}`); err == nil || out != "ready\n" {
		t.Errorf("a file that is not there: %q, %v", out, err)
	}
}
