#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# run.sh - runs tests/integration/test-*.sh, two at once: run.sh [--nested] [NAME...]
#
# The suite `integration` is all of them but test-kvm-host-*.sh; those are the suite `nested` (--nested), one at once: the
# KVM host in them takes both processors, and all in it is slow. Whoever is named runs, whatever suite it is of.
#
# Each can run alone, from the root of the tree, with a TMPDIR of its own that is removed afterwards, and finds the
# build in CARREL_BUILD_DIR. It exits 0 when it passed and 77 when something is missing here; its last line then
# says what. A line `# timeout-minutes: 20` in its head gives it longer than the usual 10. All of them
# together keep to the budget of the suite. Logs and results go to build/integration/ or build/nested/.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/tests/lib/results.sh"

suite=integration
if [ "${1:-}" = --nested ]; then
	suite=nested
	shift
fi
export CARREL_BUILD_DIR=${CARREL_BUILD_DIR:-$root/build}
export CARREL_TEST_OUT=$CARREL_BUILD_DIR/$suite
out=$CARREL_TEST_OUT
results=$out/results
default_minutes=10
minutes=$(results_find_budget "$suite") || exit 1
deadline=$((SECONDS + minutes * 60))

# As many at once as there are processors, but two at most: a test with guests uses one and a half of them at its busiest
lanes=$(nproc)
[ "$lanes" -le 2 ] || lanes=2
[ "$suite" != nested ] || lanes=1

trap 'kill $(jobs -p) 2>/dev/null; exit 130' INT TERM

mkdir -p "$out"
: >"$results"
cd "$root" || exit 1

# finish NAME RESULT [REASON]: records it and shows it, with the end of the log of one that failed
finish() {
	results_add "$results" "$@"
	grep -P "^[A-Z]+\t$1\t" "$results"
	if grep -qP "^FAIL\t$1\t" "$results" && [ -f "$out/$1.log" ]; then
		tail -n 40 "$out/$1.log" | sed 's/^/    /'
	fi
}

# run_test SCRIPT: in a shell of its own, with CARREL_TEST_LANE set
run_test() {
	local script=$1 name log seconds left started=$SECONDS code=0 reason running
	name=$(basename "$script" .sh)
	log=$out/$name.log
	seconds=$(sed -n '1,20s/^# timeout-minutes: *\([0-9]*\).*/\1/p' "$script")
	seconds=$((${seconds:-$default_minutes} * 60))
	left=$((deadline - SECONDS))
	if [ "$left" -le 0 ]; then
		finish "$name" FAIL "not started: the suite's $minutes minutes are used up"
		return
	fi
	[ "$seconds" -le "$left" ] || seconds=$left

	# a short name: socket paths below it are limited to 107 bytes
	TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/ct.XXXXXX")
	export TMPDIR CARREL_TEST_LANE
	timeout --kill-after=20 "$seconds" bash "$script" >"$log" 2>&1 </dev/null &
	running=$!
	trap 'kill "$running"' INT TERM
	wait "$running" || code=$?
	# what a failed test has left running: timeout(1) made a process group of it all
	kill -KILL -- "-$running" 2>/dev/null || true
	rm -rf "$TMPDIR"
	reason=$(tail -n 1 "$log" | tr '\t' ' ')
	case $code in
	0) finish "$name" PASS "$((SECONDS - started)) s" ;;
	77) finish "$name" SKIP "$reason" ;;
	124 | 137) finish "$name" FAIL "ended after $((SECONDS - started)) s: it took too long" ;;
	*) finish "$name" FAIL "code $code: $reason" ;;
	esac
}

# is_chosen NAME [WANTED...]: is it one of the wanted, or of the suite when none is?
is_chosen() {
	local name=$1 of=integration
	shift
	[[ $name != test-kvm-host-* ]] || of=nested
	if [ $# -gt 0 ]; then [[ " $* " = *" $name "* ]]; else [ "$of" = "$suite" ]; fi
}

chosen=()
for script in tests/integration/test-*.sh; do
	[ -f "$script" ] || continue
	is_chosen "$(basename "$script" .sh)" "$@" || continue
	chosen+=("$script")
done
if [ -z "${CARREL_IMAGE_DIR:-}" ] && [ ${#chosen[@]} -gt 0 ] && grep -q 'CARREL_IMAGE_DIR' "${chosen[@]}"; then
	CARREL_IMAGE_DIR=$(bash tests/lib/golden.sh) && export CARREL_IMAGE_DIR
fi
# made here, they take no test's minutes
if [[ " ${chosen[*]} " = */test-kvm-host-* ]]; then
	bash tests/lib/golden.sh kvm-host >/dev/null
fi
if [[ " ${chosen[*]} " = */test-kvm-host-desktop* ]]; then
	bash tests/lib/kvm_sealed.sh >/dev/null
fi
free=()
for ((lane = 0; lane < lanes; lane++)); do free+=("$lane"); done
declare -A lane_of=()
for script in "${chosen[@]}"; do
	if [ ${#free[@]} -eq 0 ]; then
		wait -n -p ended
		free+=("${lane_of[$ended]}")
	fi
	# what is taken by number (uids) is then not taken twice
	CARREL_TEST_LANE=${free[0]} run_test "$script" &
	lane_of[$!]=${free[0]}
	free=("${free[@]:1}")
done
wait
for name in "$@"; do
	[ -f "tests/integration/$name.sh" ] || results_add "$results" "$name" FAIL "there is no such test"
done
[ "$(results_count "$results" FAIL)" -eq 0 ]
