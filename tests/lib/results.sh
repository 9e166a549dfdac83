# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# results.sh - how check and tests/integration/run.sh judge and record results (sourced, with $root set)

# results_find_budget SUITE: prints the minutes tests/BUDGET gives to it
results_find_budget() {
	local minutes
	minutes=$(awk -v suite="$1" '$1 == suite { print $2 }' "$root/tests/BUDGET")
	if [ -z "$minutes" ]; then
		echo "tests/BUDGET: no line for '$1'" >&2
		return 1
	fi
	echo "$minutes"
}

# results_skip_allowed NAME: does tests/skips.allowed list it, and does its condition hold here?
results_skip_allowed() {
	local name condition
	while read -r name condition; do
		[ "$name" = "$1" ] || continue
		condition=${condition%%#*}
		[ -n "${condition// /}" ] && (cd "$root" && eval "$condition") >/dev/null 2>&1 && return 0
	done <"$root/tests/skips.allowed"
	return 1
}

# results_add FILE NAME PASS|FAIL|SKIP [REASON]: records one; a skip that is not allowed is a failure
results_add() {
	local file=$1 name=$2 result=$3 reason=${4:-}
	if [ "$result" = SKIP ] && ! results_skip_allowed "$name"; then
		result=FAIL
		reason="skipped, but tests/skips.allowed does not allow it here: ${reason:-no reason given}"
	fi
	printf '%s\t%s\t%s\n' "$result" "$name" "$reason" >>"$file"
}

# results_count FILE PASS|FAIL|SKIP
results_count() {
	awk -F '\t' -v result="$2" '$1 == result { n++ } END { print n + 0 }' "$1"
}
