package cli

import (
	"fmt"
	"os"
	"testing"
)

// rotHomeVariable names the home that this binary is to work on as a child,
// until it kills itself.
const rotHomeVariable = "PIFS_TEST_ROT_HOME"

func TestMain(m *testing.M) {
	if dir := os.Getenv(rotHomeVariable); dir != "" {
		fmt.Fprintln(os.Stderr, writeAndDie(dir)) // returns only if that failed
		os.Exit(1)
	}
	if job := os.Getenv(childVariable); job != "" {
		if err := runChild(job); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}
