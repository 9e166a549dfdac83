#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# fork.sh - forks by carrel-vmm and by QEMU, by turns: of a small guest on this machine's /dev/kvm, then of the Debian desktop in
# the KVM host inside QEMU (nested-fork.sh): make bench-fork
#
# Time to the first instruction, forks per second, memory of idle forks, and what each step of a fork takes, of which it also draws
# build/bench/fork.svg. RUNS=100 takes about 8 minutes on 2 quiet cores. BENCH_FORK="time rate" takes these alone, BENCH_FORK=nested
# the desktop alone. BENCH_FORK=alive and BENCH_FORK=cold are other looks at the desktop, in place of "nested" (nested-fork.sh).
set -eu
native=()
nested=
for word in ${BENCH_FORK:-time rate memory most prefetch nested}; do
	case $word in
	nested | alive | cold)
		[ -z "$nested" ] || { echo "BENCH_FORK: '$nested' and '$word' want a nested host each: one at a time" >&2 && exit 2; }
		nested=$word
		;;
	*) native+=("$word") ;;
	esac
done
[ ${#native[@]} != 0 ] || exec bash "${BASH_SOURCE[0]%/*}/nested-fork.sh" "$nested"
RUNS=${RUNS:-100}
. "${BASH_SOURCE[0]%/*}/bench.sh"

[ "$(id -u)" = 0 ] || {
	bench_say "it makes namespaces: run it as root"
	exit 1
}
if [ -w /dev/kvm ]; then
	bench_say "$RUNS forks each"
	python3 -B tests/bench/fork_native.py "$RUNS" "$TMPDIR" "${native[@]}" >>"$bench_samples"
	bench_end fork kvm
	python3 -B tests/bench/fork_picture.py "$CARREL_BUILD_DIR/bench/fork.json" "$CARREL_BUILD_DIR/bench/fork.svg"
else
	bench_say "/dev/kvm is needed: not measured natively"
fi
[ -z "$nested" ] || exec bash "$bench_folder/nested-fork.sh" "$nested"
