package main

import (
	"fmt"
	"slices"

	"pifs/integration/bench/report"
	"pifs/integration/bench/target"
)

// goals are what πFS is to reach: incompressible data, class (3,5), embedded
// stores on one disk.
func goals(s sizes) []report.Goal {
	all := slices.Concat(streamGoals(), nodeGoals(), fileGoals())
	return append(all, volumeGoals(s)...)
}

// chosenGoals returns the goals that the chosen workloads tell something about.
func chosenGoals(s sizes, work []workload) []report.Goal {
	return slices.DeleteFunc(goals(s), func(g report.Goal) bool {
		return !slices.ContainsFunc(work, func(w workload) bool { return w.Name == g.What.Workload })
	})
}

// against compares πFS with another target by the same quantity.
func against(other, about, workload string, q report.Quantity, atLeast bool, limit float64) report.Goal {
	return report.Goal{
		About: about, What: report.Ref{Workload: workload, Target: target.Pifs, Of: q},
		Against: &report.Ref{Workload: workload, Target: other, Of: q}, AtLeast: atLeast, Limit: limit,
	}
}

func speedOfNull(about, workload string, q report.Quantity, limit float64) report.Goal {
	return against(target.Null, about+", speed of the null file system", workload, q, true, limit)
}

func timeOfNull(about, workload string, limit float64) report.Goal {
	return against(target.Null, about+", time of the null file system", workload, report.Seconds, false, limit)
}

func streamGoals() []report.Goal {
	dup := func(about string, q report.Quantity) report.Goal {
		return report.Goal{
			About: "sequential write of duplicate data " + about + ", rate of new data",
			What:  report.Ref{Workload: "write-dup", Target: target.Pifs, Of: q}, AtLeast: true, Limit: 1.3,
			Against: &report.Ref{Workload: "write-new", Target: target.Pifs, Of: q},
		}
	}
	absolute := func(about, workload string, q report.Quantity, limit float64, unit string) report.Goal {
		return report.Goal{About: about, What: report.Ref{Workload: workload, Target: target.Pifs, Of: q}, Limit: limit, Unit: unit}
	}
	return []report.Goal{
		speedOfNull("sequential write to close", "write-new", report.Speed, 0.4),
		speedOfNull("sequential write to pifs sync", "write-new", report.SettledSpeed, 0.25),
		absolute("sequential write, processor of the daemon", "write-new", report.CPUMillis, 3, " ms/MiB"),
		speedOfNull("sequential read, the kernel has it", "read-new-again", report.Speed, 0.8),
		speedOfNull("sequential read, warm caches of the daemon", "read-new-warm", report.Speed, 0.8),
		speedOfNull("sequential read, cold from shards", "read-new-cold", report.Speed, 0.5),
		speedOfNull("sequential read, cold, two stores missing", "read-new-degraded", report.Speed, 0.45),
		dup("to close", report.Speed),
		dup("to pifs sync", report.SettledSpeed),
		speedOfNull("random read 4 KiB, the kernel has it", "random-read-4k-again", report.Speed, 0.8),
		speedOfNull("random read 4 KiB, warm caches of the daemon", "random-read-4k-warm", report.Speed, 0.8),
		absolute("random read 4 KiB, cold, shards read", "random-read-4k-cold", report.Reads, 4, ""),
		absolute("random read 4 KiB, cold, time of each", "random-read-4k-cold", report.Millis, 1, " ms"),
	}
}

// nodeGoals compare a volume on ten nodes with one on five folders.
func nodeGoals() []report.Goal {
	goal := func(about, workload string, q report.Quantity, limit float64) report.Goal {
		return report.Goal{
			About: about + ", speed of five folders", What: report.Ref{Workload: workload, Target: target.Swarm, Of: q}, AtLeast: true, Limit: limit,
			Against: &report.Ref{Workload: workload, Target: target.Pifs, Of: q},
		}
	}
	return []report.Goal{
		goal("sequential write to ten nodes, to pifs sync", "nodes-write", report.SettledSpeed, 0.4),
		goal("sequential read from ten nodes, cold", "nodes-read-cold", report.Speed, 0.4),
		goal("sequential read, cold, four of ten nodes gone", "nodes-read-degraded", report.Speed, 0.3),
	}
}

func fileGoals() []report.Goal {
	all := []report.Goal{speedOfNull("create, write, close 4 KiB", "create-4k-p1", report.Speed, 0.5)}
	for _, size := range []int{1, 4, 64} {
		name := fmt.Sprintf("create-sync-%dk-p1", size)
		all = append(all, against(target.Disk, fmt.Sprintf("create, fsync, close %d KiB, speed of the disk", size), name, report.Speed, true, 0.5))
	}
	return append(all,
		timeOfNull("untar Go's source tree", "untar", 2),
		timeOfNull("cp -a", "cp-a", 2),
		timeOfNull("rsync -a, nothing changed", "rsync-noop", 1.3),
		timeOfNull("ls -lR after a new mount", "ls-lR-cold", 1.5),
		timeOfNull("ls -lR once more", "ls-lR", 1.1),
		timeOfNull("rm -rf of the tree", "rm-rf", 1.5),
	)
}

func volumeGoals(s sizes) []report.Goal {
	all := []report.Goal{
		{
			About: fmt.Sprintf("mount and first ls with %d inodes", s.huge), Limit: 1, Unit: " s",
			What: report.Ref{Workload: "mount", Target: hugeVolume, Of: report.Seconds},
		},
		{
			About: fmt.Sprintf("memory to walk through %d inodes", s.huge), Limit: 1024, Unit: " MiB",
			What: report.Ref{Workload: "walk", Target: hugeVolume, Of: report.PeakMiB},
		},
	}
	if s.small < 1000 {
		return all
	}
	return append(all, report.Goal{
		About: fmt.Sprintf("commit of 1000 changed files among %d, time among %d", s.large, s.small), Limit: 2,
		What:    report.Ref{Workload: commitName(1000), Target: largeVolume, Of: report.Seconds},
		Against: &report.Ref{Workload: commitName(1000), Target: smallVolume, Of: report.Seconds},
	})
}
