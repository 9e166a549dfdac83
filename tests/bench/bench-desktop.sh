#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# bench-desktop.sh - what a fork takes: fork_to_running_ms, fork_to_agent_ms, fork_to_ready_ms, forks_per_second, and
# what it costs after 60 s of idling: idle_pss_mib, idle_host_mib
#
# The times are hostd's own: they begin with the order to launch and hold the process's start, its sandbox, the state's
# load. One fork warms up (it loads the template's memory) and is not counted.
set -eu
. "${BASH_SOURCE[0]%/*}/bench.sh"
. tests/lib/appliance.sh

batch=4
idle_seconds=60

# Runs of one after another, on a machine that does nothing else
measure_forks() {
	local i
	for ((i = 2; i <= RUNS + 1; i++)); do
		carrel pool set bench --size "$i" >/dev/null
		appliance_wait bench ready "$i"
	done
	awk -v warm=1 '
		BEGIN {
			name["forked"] = "fork_to_running_ms"
			name["agent"] = "fork_to_agent_ms"
			name["identified"] = "fork_to_ready_ms"
		}
		match($0, /desktop=[^ ]+ step=[a-z_]+ ms=[0-9]+/) {
			split(substr($0, RSTART, RLENGTH), word, /[ =]/)
			if (word[4] == "forked" && ++seen <= warm)
				skipped[word[2]] = 1
			if (!(word[4] in name) || word[2] in skipped)
				next
			total[word[2]] += word[6]
			printf "%s\tms\t%d\n", name[word[4]], total[word[2]]
		}' "$appliance_log" >>"$bench_samples"
	[ "$(grep -c '^fork_to_ready_ms' "$bench_samples")" = "$RUNS" ] || fail "hostd's log does not tell of $RUNS forks"
}

print_available_kib() {
	awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo
}

# Beyond the template: its pages, as far as they are still shared, are the sealed memfd's and count as Pss_Shmem
print_pss_mib() {
	awk '$1 == "Pss:" { all = $2 } $1 == "Pss_Shmem:" { shared = $2 } END { printf "%.1f\n", (all - shared) / 1024 }' \
		"/proc/$1/smaps_rollup"
}

list_machines() {
	local pid
	for pid in $(appliance_find_processes); do
		[ "$(readlink "/proc/$pid/exe" | sed 's|.*/||')" != qemu-system-x86_64 ] || echo "$pid"
	done
}

has_machines() {
	[ "$(list_machines | wc -l)" = "$1" ]
}

# All have idled; then one after the other ends, and the host's memory comes back: a point of the slope each
measure_idling() {
	local pid before now left
	bench_say "idling $((RUNS + 1)) desktops for $idle_seconds s"
	sleep "$idle_seconds"
	has_machines "$((RUNS + 1))" || fail "there are $(list_machines | wc -l) machines, not $((RUNS + 1))"
	for pid in $(list_machines | tail -n "$RUNS"); do
		bench_add idle_pss_mib MiB "$(print_pss_mib "$pid")"
	done
	before=$(print_available_kib)
	for ((left = RUNS; left >= 1; left--)); do
		carrel pool set bench --size "$left" >/dev/null
		wait_until 60 has_machines "$left" || fail "the desktop does not end"
		now=$(print_available_kib)
		bench_add idle_host_mib MiB "$(awk -v kib=$((now - before)) 'BEGIN { printf "%.1f", kib / 1024 }')"
		before=$now
	done
}

# Several at once, from the order at the command line to all of them running
measure_rate() {
	local i ms
	for ((i = 0; i < RUNS; i++)); do
		carrel pool set bench --size 0 >/dev/null
		wait_until 60 has_machines 0 || fail "the desktops do not end"
		ms=$(python3 -B tests/bench/log_clock.py "$appliance_log" 'step=forked' "$batch" 120 \
			"$appliance_root/run" carrel pool set bench --size "$batch" --run "$appliance_state/run") ||
			fail "the $batch desktops did not come"
		bench_add forks_per_second 1/s "$(awk -v ms="$ms" -v n="$batch" 'BEGIN { printf "%.2f", n * 1000 / ms }')"
		appliance_wait bench ready "$batch"
	done
}

appliance_start
appliance_make_pool bench 1
bench_say "$RUNS forks, one after another"
measure_forks
measure_idling
bench_say "$RUNS times $batch forks at once"
measure_rate
appliance_stop
bench_end desktop qemu
