#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# fork.sh - forks by carrel-vmm and by QEMU, by turns: of a small guest on this machine's /dev/kvm, then of the Debian desktop in
# the KVM host inside QEMU (nested-fork.sh): make bench-fork
#
# Time to the first instruction, forks per second, memory of idle forks, and what each step of a fork takes, of which it also draws
# build/bench/fork.svg. RUNS=100 takes about 8 minutes on 2 quiet cores. BENCH_FORK="time rate" takes these alone, BENCH_FORK=nested
# the desktop alone.
set -eu
what=" ${BENCH_FORK:-time rate memory most prefetch nested} "
[ "$what" != ' nested ' ] || exec bash "${BASH_SOURCE[0]%/*}/nested-fork.sh"
RUNS=${RUNS:-100}
. "${BASH_SOURCE[0]%/*}/bench.sh"

[ "$(id -u)" = 0 ] || {
	bench_say "it makes namespaces: run it as root"
	exit 1
}
if [ -w /dev/kvm ]; then
	bench_say "$RUNS forks each"
	# shellcheck disable=SC2086
	python3 -B tests/bench/fork_native.py "$RUNS" "$TMPDIR" ${what/ nested / } >>"$bench_samples"
	bench_end fork kvm
	python3 -B tests/bench/fork_picture.py "$CARREL_BUILD_DIR/bench/fork.json" "$CARREL_BUILD_DIR/bench/fork.svg"
else
	bench_say "/dev/kvm is needed: not measured natively"
fi
[[ $what != *' nested '* ]] || exec bash "$bench_folder/nested-fork.sh"
