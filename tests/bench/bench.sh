# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# bench.sh - what all benchmarks begin with (sourced first): a folder of their own, RUNS, samples and the report
#
# The script runs once more as a child with a TMPDIR of its own, which is removed when it has ended, whatever happened;
# $TMPDIR/NAME of a failed one is gone, its last words are on standard error. Benchmarks run alone as well:
# RUNS=2 CARREL_BUILD_DIR=... tests/bench/bench-login.sh

bench_folder=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
bench_root=$(cd "$bench_folder/../.." && pwd)
export CARREL_BUILD_DIR=${CARREL_BUILD_DIR:-$bench_root/build}
RUNS=${RUNS:-10}

if [ -z "${bench_inside:-}" ]; then
	[[ $RUNS =~ ^[1-9][0-9]{0,2}$ ]] || { echo "RUNS must be a number from 1 to 999, not '$RUNS'" >&2 && exit 2; }
	# a short name: socket paths below it are limited to 107 bytes
	TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/cb.XXXXXX")
	export TMPDIR bench_inside=1
	bash "$0" "$@" </dev/null &
	bench_child=$!
	trap 'kill "$bench_child"' INT TERM
	bench_code=0
	wait "$bench_child" || bench_code=$?
	# a signal ends the wait, not the child
	wait "$bench_child" 2>/dev/null || true
	rm -rf "$TMPDIR"
	exit "$bench_code"
fi

cd "$bench_root" || exit 1
# where viewer_keep_picture leaves the screen
mkdir -p "$CARREL_BUILD_DIR/integration"
bench_samples=$TMPDIR/samples
: >"$bench_samples"

bench_say() {
	printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
}

# bench_add FIGURE UNIT VALUE...
bench_add() {
	local figure=$1 unit=$2 value
	shift 2
	for value in "$@"; do
		printf '%s\t%s\t%s\n' "$figure" "$unit" "$value" >>"$bench_samples"
	done
}

# bench_end NAME ENGINE: writes build/bench/NAME.json and prints the table
bench_end() {
	python3 -B "$bench_folder/report.py" record "$1" "$2" "$bench_samples"
}
