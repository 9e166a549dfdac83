#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-storage-read-only.sh - a disk that cannot be written to: desktops and jobs say so and where, and work again once it can
set -eu
[ "${1:-}" = inside ] || [ "$(id -u)" != 0 ] || exec unshare --mount --propagation private bash "$0" inside
. tests/lib/tiny_appliance.sh

# set_read_only FOLDER: of <lib>, for everybody in this namespace
set_read_only() {
	mount --bind "$lib/$1" "$lib/$1"
	mount -o remount,bind,ro "$lib/$1"
}

pool_rests() {
	[ -n "$(carrel_json '(.pools? // .)[] | select(.name == "late") | .error' pool list)" ]
}

reasons_of() {
	carrel_json "(.desktops? // .)[] | select(.pool == \"$1\" and .state == \"failed\") | .error" desktop list
}

tiny_start
lib=$appliance_state/lib
carrel template build tiny --wait >/dev/null
carrel template publish tiny --wait >/dev/null
appliance_make_pool early 1 ada

set_read_only desktops
carrel pool create late --template tiny --size 1 --user ada >/dev/null
wait_until 60 pool_rests || fail "the pool does not rest: $(carrel desktop list)"
reasons_of late >"$TMPDIR/reasons"
echo "a desktop: $(head -n 1 "$TMPDIR/reasons")"
! grep -vE "^cannot make the folder of 'd-[a-z2-7]+': $lib/desktops/d-[a-z2-7]+: Read-only file system$" "$TMPDIR/reasons" ||
	fail "that is not why desktops fail"
refusals=$(grep -c 'carrel-launch.* refused: .*cannot be removed' "$appliance_log") || true
[ "$refusals" -lt 50 ] || fail "launch's log is flooded: $refusals lines"
appliance_has early ready 1 || fail "the desktop that was there suffers: $(carrel desktop list)"
umount "$lib/desktops"
carrel pool delete late >/dev/null
carrel pool create late --template tiny --size 1 --user ada >/dev/null
appliance_wait late ready 1

set_read_only staging
tiny_fails carrel template verify tiny --wait
echo "a job: $said"
tiny_says "Read-only file system"
umount "$lib/staging"
carrel template verify tiny --wait >/dev/null
tiny_expect_versions 1
appliance_stop
