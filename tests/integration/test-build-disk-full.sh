#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-build-disk-full.sh - the golden recipe on a disk that is too small or fills up: named, with what is free and needed
#
# The disk is a file system in memory, in a mount namespace of the test's own; it fills up by being made smaller. What is
# kept and removed then: test-publish-disk-full.sh.
set -eu
[ "$(id -u)" = 0 ] || { echo "root is needed: a build has a user namespace with uids of its own"; exit 77; }
[ "${1:-}" = inside ] || exec unshare --mount --propagation private bash "$0" inside
. tests/lib/recipe_job.sh
. tests/lib/screen.sh
recipe=debian-openbox
disk=$TMPDIR/disk

fail() {
	echo "$*"
	tail -n 3 "$TMPDIR/out" "$TMPDIR/err"
	exit 1
}

# begin MIB: the build on a disk of that size
begin() {
	mkdir -p "$disk"
	mount -t tmpfs -o "size=$1m,mode=0755" tmpfs "$disk"
	recipe_job_prepare "$disk" "$recipe" "$CARREL_BUILD_DIR/templates/carrel-worker" "$CARREL_BUILD_DIR/agent/carrel-agent"
	: >"$TMPDIR/out"
	recipe_job_run "$disk" "$recipe" >"$TMPDIR/out" 2>"$TMPDIR/err" &
	job=$!
}

# fill: not a MiB more than what is used
fill() {
	local used
	used=$(df --output=used -k "$disk" | tail -n 1)
	mount -o "remount,size=$((used + 512))k" "$disk" 2>/dev/null
}

# expect_full FREE STEP: it ends with one line that tells all of it; FREE is a regular expression
expect_full() {
	local code=0
	wait "$job" || code=$?
	[ "$code" != 0 ] || fail "the build worked"
	said=$(tail -n 1 "$TMPDIR/out" | jq -r '"\(.status) \(.text)"')
	echo "$said"
	grep -qE "^-28 disk full: '$disk/image' has $1 MiB left and a build needs 3072 \($2\): free space on the disk of '$disk', then run the build again$" \
		<<<"$said" || fail "it does not say so"
	[ "$(ls -A "$disk/image")" = build.log ] || fail "left behind: $(ls -A "$disk/image")"
	umount "$disk"
}

chmod 0711 "$TMPDIR"
echo "too small from the start"
begin 500
expect_full '4[0-9][0-9]' 'before it begins'

echo "full while packages are installed"
begin 3200
wait_until 60 grep -q ' start ' "$TMPDIR/out" || fail "it does not begin"
wait_until 60 fill || fail "the disk cannot be made smaller"
expect_full '[0-9]' 'installing packages'
