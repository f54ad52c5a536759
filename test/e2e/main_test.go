// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// What TestMain sets up for all tests.
var (
	jailBin  string // jail-ai
	probeBin string // test/probe, static
	baseDir  string // readable by every user; holds a directory per world
)

func init() {
	// The main thread can't be given up, so no goroutine may change its namespaces: it stays with
	// the main goroutine, which runs TestMain.
	runtime.LockOSThread()
}

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	if os.Geteuid() != 0 {
		if os.Getenv("JAIL_AI_REQUIRE_BPF") == "1" {
			fmt.Fprintln(os.Stderr, "the end-to-end tests need root, and JAIL_AI_REQUIRE_BPF=1 forbids to skip them")
			return 1
		}
		fmt.Println("skipped: the end-to-end tests need root")
		return 0
	}
	if err := setUp(); err != nil {
		fmt.Fprintln(os.Stderr, "set up the end-to-end tests:", err)
		return 1
	}
	defer os.RemoveAll(baseDir)
	defer sweep()
	return m.Run()
}

// sweep ends what failed tests may have left running: jails whose ids are of this process.
func sweep() {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		left, err := filepath.Glob(filepath.Join(dir, "jail-ai.slice", idPrefix()+"*", "cgroup.kill"))
		if err != nil {
			panic(err) // a bad pattern
		}
		for _, file := range left {
			if err := os.WriteFile(file, []byte("1"), 0); err != nil {
				fmt.Fprintln(os.Stderr, "kill a jail that was left behind:", err)
			}
		}
	}
}

func setUp() (err error) {
	if jailBin, err = findBinary(); err != nil {
		return err
	}
	if err := mountBPF(); err != nil {
		return err
	}
	if baseDir, err = os.MkdirTemp("/var/tmp", "jail-ai-e2e-"); err != nil {
		return err
	}
	if err := os.Chmod(baseDir, 0o755); err != nil {
		return err
	}
	probeBin = filepath.Join(baseDir, "probe")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", probeBin, "../probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the probe: %w\n%s", err, out)
	}
	return nil
}

func findBinary() (string, error) {
	path := os.Getenv("JAIL_AI_BIN")
	if path == "" {
		path = "../../bin/jail-ai"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find jail-ai: %w: run make build, or set JAIL_AI_BIN", err)
	}
	return path, nil
}

// mountBPF mounts the machine's bpffs, as jail-ai itself would: the tests run it in mount
// namespaces of their own, whose mounts the others would not see.
func mountBPF() error {
	const dir = "/sys/fs/bpf"
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	if fs.Type == unix.BPF_FS_MAGIC {
		return nil
	}
	err := unix.Mount("bpf", dir, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700")
	if err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	return nil
}
