package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// memory is what a process has in RAM, in bytes.
type memory struct{ rss, anonymous int64 }

// memory reads it from the page tables where that is allowed, which is exact;
// the status file lags behind by some pages for each processor.
func (p *process) memory() (memory, error) {
	dir := fmt.Sprintf("/proc/%d/", p.Process.Pid)
	names := [2]string{"Rss", "Anonymous"}
	text, err := os.ReadFile(dir + "smaps_rollup")
	if err != nil {
		names = [2]string{"VmRSS", "RssAnon"}
		text, err = os.ReadFile(dir + "status")
	}
	if err != nil {
		return memory{}, fmt.Errorf("its memory cannot be read: %w", err)
	}
	rss, err := counter(string(text), names[0])
	if err != nil {
		return memory{}, err
	}
	anonymous, err := counter(string(text), names[1])
	return memory{rss * 1024, anonymous * 1024}, err // kB there are of 1,024
}

// ran is how long all threads of the process have run, to the nanosecond
// (clock_getcpuclockid(3), CPUCLOCK_SCHED). It costs one system call and wakes
// nobody there.
func (p *process) ran() (time.Duration, error) {
	const scheduled = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.Process.Pid<<3|scheduled), &t); err != nil {
		return 0, fmt.Errorf("how long it ran cannot be read: %w", err)
	}
	return time.Duration(t.Nano()), nil
}

// watchEvery is shorter than the pauses of a process at rest and longer than
// what it does in between.
const watchEvery = 50 * time.Millisecond

// rest watches processes for a while and returns how often each was awake and
// for how long it ran. To be awake more than once within two looks is to be
// awake once.
func rest(ctx context.Context, processes []*process, window time.Duration) (moments []int, ran []time.Duration, err error) {
	moments = make([]int, len(processes))
	first, last, awake := make([]time.Duration, len(processes)), make([]time.Duration, len(processes)), make([]bool, len(processes))
	for i, p := range processes {
		if first[i], err = p.ran(); err != nil {
			return nil, nil, err
		}
	}
	copy(last, first)
	for end := time.Now().Add(window); time.Now().Before(end); {
		if err := pause(ctx, watchEvery); err != nil {
			return nil, nil, err
		}
		for i, p := range processes {
			now, err := p.ran()
			if err != nil {
				return nil, nil, err
			}
			if now != last[i] && !awake[i] {
				moments[i]++
			}
			awake[i], last[i] = now != last[i], now
		}
	}
	for i := range processes {
		ran = append(ran, last[i]-first[i])
	}
	return moments, ran, nil
}

// switches is how often each thread of the process went to sleep by itself
// (voluntary_ctxt_switches of proc(5)), by its id.
func (p *process) switches() (map[string]int64, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", p.Process.Pid))
	if err != nil || len(tasks) == 0 {
		return nil, fmt.Errorf("its threads cannot be seen: %w", os.ErrNotExist)
	}
	all := map[string]int64{}
	for _, task := range tasks {
		text, err := os.ReadFile(task + "/status")
		if err != nil {
			continue // it has ended
		}
		n, err := counter(string(text), "voluntary_ctxt_switches")
		if err != nil {
			return nil, err
		}
		all[filepath.Base(task)] = n
	}
	return all, nil
}

// sleepsSince counts them from before to now; a thread that is new counts from
// its start.
func sleepsSince(before, now map[string]int64) (n int64) {
	for id, count := range now {
		n += count - before[id]
	}
	return n
}

// counter finds a number by its name in a file of /proc.
func counter(text, name string) (int64, error) {
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, ":")
		if fields := strings.Fields(value); ok && key == name && len(fields) > 0 {
			return strconv.ParseInt(fields[0], 10, 64)
		}
	}
	return 0, fmt.Errorf("the kernel does not tell %s", name)
}
