#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# run.sh - runs tests/integration/test-*.sh one after another: run.sh [NAME...]
#
# Each runs alone, from the root of the tree, with a TMPDIR of its own that is removed afterwards, and finds the
# build in CARREL_BUILD_DIR. It exits 0 when it passed and 77 when something is missing here; its last line then
# says what. A line `# timeout-minutes: 20` in its head gives it longer than the usual 10. All of them
# together keep to the budget of the suite. Logs and results go to build/integration/.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/tests/lib/results.sh"

export CARREL_BUILD_DIR=${CARREL_BUILD_DIR:-$root/build}
out=$CARREL_BUILD_DIR/integration
results=$out/results
default_minutes=10
minutes=$(results_find_budget integration) || exit 1
deadline=$((SECONDS + minutes * 60))

running=
trap '[ -z "$running" ] || kill "$running"; exit 130' INT TERM

mkdir -p "$out"
: >"$results"
cd "$root" || exit 1

run_test() {
	local script=$1 name log seconds left started code reason
	name=$(basename "$script" .sh)
	log=$out/$name.log
	seconds=$(sed -n '1,20s/^# timeout-minutes: *\([0-9]*\).*/\1/p' "$script")
	seconds=$((${seconds:-$default_minutes} * 60))
	left=$((deadline - SECONDS))
	if [ "$left" -le 0 ]; then
		results_add "$results" "$name" FAIL "not started: the suite's $minutes minutes are used up"
		return
	fi
	[ "$seconds" -le "$left" ] || seconds=$left

	if [ -z "${CARREL_IMAGE_DIR:-}" ] && grep -q 'CARREL_IMAGE_DIR' "$script"; then
		CARREL_IMAGE_DIR=$(bash tests/lib/golden.sh) && export CARREL_IMAGE_DIR
	fi
	started=$SECONDS
	# a short name: socket paths below it are limited to 107 bytes
	TMPDIR=$(mktemp -d "$saved_tmpdir/ct.XXXXXX")
	export TMPDIR
	timeout --kill-after=20 "$seconds" bash "$script" >"$log" 2>&1 </dev/null &
	running=$!
	wait "$running"
	code=$?
	running=
	rm -rf "$TMPDIR"
	TMPDIR=$saved_tmpdir
	reason=$(tail -n 1 "$log" | tr '\t' ' ')
	case $code in
	0) results_add "$results" "$name" PASS "$((SECONDS - started)) s" ;;
	77) results_add "$results" "$name" SKIP "$reason" ;;
	124 | 137) results_add "$results" "$name" FAIL "ended after $((SECONDS - started)) s: it took too long" ;;
	*) results_add "$results" "$name" FAIL "code $code: $reason" ;;
	esac
}

saved_tmpdir=${TMPDIR:-/tmp}
for script in tests/integration/test-*.sh; do
	[ -f "$script" ] || continue
	name=$(basename "$script" .sh)
	[ $# -eq 0 ] || [[ " $* " = *" $name "* ]] || continue
	run_test "$script"
	tail -n 1 "$results"
	if [ "$(tail -n 1 "$results" | cut -f 1)" = FAIL ] && [ -f "$out/$name.log" ]; then
		tail -n 40 "$out/$name.log" | sed 's/^/    /'
	fi
done
for name in "$@"; do
	[ -f "tests/integration/$name.sh" ] || results_add "$results" "$name" FAIL "there is no such test"
done
[ "$(results_count "$results" FAIL)" -eq 0 ]
