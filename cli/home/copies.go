package home

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/zeebo/blake3"
)

// copySuffix names the second copy of a file without which a home cannot be
// used. A damaged file is put right from it.
const copySuffix = ".copy"

// writeBoth replaces path and its copy, durable on return.
func writeBoth(path string, data []byte) error {
	if err := WriteFile(path, data); err != nil {
		return err
	}
	return WriteFile(path+copySuffix, data)
}

// readEither returns path as parse accepts it, or else its copy, and puts the
// other right where it can. The copy is worth a look after ErrDamaged,
// fs.ErrNotExist, and ErrPassphrase, which damage may look like.
func readEither(path string, read func(path string) ([]byte, error), parse func([]byte) error) ([]byte, error) {
	try := func(path string) ([]byte, error) {
		raw, err := read(path)
		if err == nil {
			err = parse(raw)
		}
		return raw, err
	}
	raw, err := try(path)
	second, secondErr := os.ReadFile(path + copySuffix)
	same := secondErr == nil && bytes.Equal(raw, second)
	switch {
	case err == nil && same:
		return raw, nil
	case err == nil:
		_ = WriteFile(path+copySuffix, raw) // tried again with the next use
		return raw, nil
	case same:
		return nil, err
	case !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrPassphrase) && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	raw, copyErr := try(path + copySuffix)
	if copyErr != nil {
		return nil, err // what is wrong with the file itself is what to tell
	}
	_ = WriteFile(path, raw)
	return raw, nil
}

// decode parses JSON into v. In the version that this program writes it knows
// every field: another is the name of one with a bit flipped.
func decode(raw []byte, v any, version int) error {
	var found struct{ Version int }
	if err := json.Unmarshal(raw, &found); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if found.Version == version {
		d.DisallowUnknownFields()
	}
	return d.Decode(v)
}

// summed returns v in JSON with its sum, which sum points into, so that a bit
// that flipped is noticed wherever it is. indent is as in json.MarshalIndent.
func summed(v any, sum *string, indent string) ([]byte, error) {
	want, err := sumOf(v, sum)
	if err != nil {
		return nil, err
	}
	*sum = want
	return json.MarshalIndent(v, "", indent)
}

// checkSum reports, as ErrDamaged, that v is not what summed was given. What
// has no sum, by an older version or by hand, is taken as it is.
func checkSum(v any, sum *string) error {
	have := *sum
	if have == "" {
		return nil
	}
	want, err := sumOf(v, sum)
	*sum = have
	if err == nil && have != want {
		err = fmt.Errorf("its sum is another: %w", ErrDamaged)
	}
	return err
}

func sumOf(v any, sum *string) (string, error) {
	*sum = ""
	raw, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	h := blake3.Sum256(raw)
	return hex.EncodeToString(h[:]), nil
}
