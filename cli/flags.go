package cli

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	cli "github.com/urfave/cli/v2"
)

func volumeFlag() cli.Flag {
	return &cli.StringFlag{Name: "volume", Value: defaultVolume, Usage: "the volume `NAME`"}
}

// oneOf checks the value of a flag that has a closed list of values.
func oneOf(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	list := strings.Join(slices.DeleteFunc(slices.Clone(allowed), func(s string) bool { return s == "" }), " or ")
	return fail(errUsage, fmt.Sprintf("--%s %s: it is %s", flag, value, list), nil)
}

// parseDeadline reads how long a request may wait.
func parseDeadline(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < minDeadline || d > maxDeadline {
		return 0, fail(errUsage, fmt.Sprintf("--deadline %s: write it as 30s or 5m, from %v to 24h", text, minDeadline), err)
	}
	return d, nil
}

// parseSize reads bytes as people write them: 512, 500M, 8G, 1.5T. The units
// are powers of 1024.
func parseSize(text string) (int64, error) {
	digits := strings.TrimRight(strings.ToUpper(text), "KMGTIB")
	unit := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text)[len(digits):], "B"), "I")
	i := strings.Index(" KMGT", unit)
	if unit == "" {
		i = 0
	}
	v, err := strconv.ParseFloat(digits, 64)
	bytes := v * math.Pow(1024, float64(max(i, 0)))
	if err != nil || i < 0 || len(unit) > 1 || !(bytes >= 1) || bytes >= math.MaxInt64 {
		return 0, fail(errUsage, fmt.Sprintf("size %q: write it as 500M or 8G", text), err)
	}
	return int64(bytes), nil
}
