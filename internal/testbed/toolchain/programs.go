package toolchain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// programs are Floe's own, by the folder of their main package.
var programs = map[string]string{"worker": "worker", "starter": "floe"}

// keepPrograms is how long programs of older sources stay in the cache. They may be running; a test takes minutes.
const keepPrograms = 24 * time.Hour

// Programs builds Floe's own programs from this checkout and returns the folder that holds them: worker and floe. The
// folder is named by its contents and never changes, so that a build does not disturb what runs from an older one.
func Programs(ctx context.Context) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	// Clones must not wait for each other or undo each other's work.
	clone := sha256.Sum256([]byte(root))
	home := filepath.Join(cache, "programs", hex.EncodeToString(clone[:8]))
	stage := filepath.Join(home, "stage")
	if err := os.MkdirAll(stage, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, filepath.Join(home, "lock"), func() {})
	if err != nil {
		return "", err
	}
	defer unlock()

	args := []string{"build", "-buildvcs=false", "-o", stage + string(filepath.Separator)}
	for dir := range programs {
		args = append(args, "./"+dir)
	}
	// go build leaves a program that is up to date in the stage as it is, which takes a tenth of linking it.
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOFLAGS=", "PWD="+root)
	if err := runGo(cmd, func(string) {}); err != nil {
		return "", fmt.Errorf("build Floe's programs: %w", err)
	}
	prune(home)
	return publish(stage, home)
}

// publish copies the stage to a folder named by its contents, if there is none yet.
func publish(stage, home string) (string, error) {
	sum := sha256.New()
	for _, dir := range []string{"starter", "worker"} {
		f, err := os.Open(filepath.Join(stage, dir))
		if err != nil {
			return "", err
		}
		_, err = io.Copy(sum, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return "", err
		}
	}
	target := filepath.Join(home, hex.EncodeToString(sum.Sum(nil))[:16])
	if info, err := os.Stat(target); err == nil && info.IsDir() {
		now := time.Now()
		return target, os.Chtimes(target, now, now) // in use: not to be pruned
	}
	temp, err := os.MkdirTemp(home, "part-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	for dir, name := range programs {
		if err := copyFile(filepath.Join(stage, dir), filepath.Join(temp, name)); err != nil {
			return "", err
		}
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return "", err
	}
	return target, os.Rename(temp, target)
}

// prune removes the programs of older sources. What can't be removed does no harm.
func prune(home string) {
	entries, err := os.ReadDir(home)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && entry.IsDir() && entry.Name() != "stage" && time.Since(info.ModTime()) > keepPrograms {
			_ = os.RemoveAll(filepath.Join(home, entry.Name()))
		}
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
