#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# fork.sh - forks of a small guest by carrel-vmm and by QEMU, by turns on this machine's /dev/kvm (make bench-fork)
#
# Time to the first instruction, forks per second, memory of idle forks, and what each step of a fork takes, of which it also draws
# build/bench/fork.svg. BENCH_FORK="time rate" takes these alone. RUNS=100 takes about 8 minutes on 2 quiet cores.
RUNS=${RUNS:-100}
set -eu
. "${BASH_SOURCE[0]%/*}/bench.sh"

[ -w /dev/kvm ] || {
	bench_say "/dev/kvm is needed: not measured"
	exit 0
}
[ "$(id -u)" = 0 ] || {
	bench_say "it makes namespaces: run it as root"
	exit 1
}
bench_say "$RUNS forks each"
# shellcheck disable=SC2086
python3 -B tests/bench/fork_native.py "$RUNS" "$TMPDIR" ${BENCH_FORK:-} >>"$bench_samples"
bench_end fork kvm
python3 -B tests/bench/fork_picture.py "$CARREL_BUILD_DIR/bench/fork.json" "$CARREL_BUILD_DIR/bench/fork.svg"
