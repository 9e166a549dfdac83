#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-disk-full.sh - a user's file finds no room on the host: the desktop stands, the admin is told, nothing is lost
#
# timeout-minutes: 15
# Overlays are in a small file system of the test's own, in a mount namespace of its own.
set -eu
[ "$(id -u)" = 0 ] || { echo "root is needed: services and desktops get uids of their own"; exit 77; }
[ "${1:-}" = inside ] || exec unshare --mount --propagation private bash "$0" inside
. tests/lib/appliance.sh
. tests/lib/viewer.sh
. tests/lib/faults.sh

# fill MIB: leaves that much space for overlays
fill() {
	fallocate -l $(($(df --output=avail -k "$overlays" | tail -n 1) - $1 * 1024))KiB "$overlays/fill"
}

# desktop_is STATE [REASON]: does the list of desktops say so of ada's? A regular expression; without one no reason is given
desktop_is() {
	told=$(carrel_json "(.desktops? // .)[] | select(.id == \"$desktop\") | .state + \": \" + .error" desktop list)
	grep -qxE "$1: ${2:-}" <<<"$told"
}

# expect_desktop_is SECONDS STATE [REASON]
expect_desktop_is() {
	wait_until "$1" desktop_is "${@:2}" || { viewer_keep_picture; fail "its state is '$told' and not '$2: ${3:-}'"; }
}

count_logged() {
	grep -c "desktop=$desktop: $1" "$appliance_log" || true
}

is_told_again() {
	[ "$(count_logged "the guest stands")" = 2 ]
}

is_clean() {
	[ -z "$(ls "$overlays")" ]
}

stands="the guest stands still because the host's disk .* is full: make room there, then it goes on by itself"

appliance_prepare
appliance_place_template
overlays=$appliance_state/lib/desktops
mkdir "$overlays"
mount -t tmpfs -o size=600m tmpfs "$overlays"
appliance_restart
appliance_make_pool office 1 ada
faults_begin office
expect_desktop_is 30 active
fill 8

echo "the disk fills up while a file is written"
token=$(screen_new_token)
screen_type "p=${token:0:8};head -c 24M /dev/urandom|tee f|md5sum>s;sync f;dd if=f bs=1M iflag=direct|md5sum|cmp - s&&echo \${p}${token:8}"
screen_key Return
expect_desktop_is 300 active "$stands"

echo "it stands as long as there is no room, also for a new hostd"
faults_kill carrel-hostd
wait_until 60 is_told_again || fail "the new hostd does not say so"
# its agent answers in the moments in which hostd lets the guest try
expect_desktop_is 300 active "$stands"
sleep 10 # in which hostd lets it try again and again
expect_desktop_is 10 active "$stands"
[ "$(count_logged "there is room")" = 0 ] || fail "room was told that was not there"
viewer_is connected || fail "the viewer is '$(viewer_state)' while the desktop stands"
! viewer_shows "$token" || fail "the file was written where there is no room"

echo "with room the file is on the disk as it was written, and the user goes on"
rm "$overlays/fill"
expect_desktop_is 60 active
[ "$(count_logged "there is room")" = 1 ] || fail "room was told $(count_logged "there is room") times"
viewer_expect "$token" 120
faults_expect_same "after the disk was full"

carrel session revoke "$session" >/dev/null
wait_until 60 carrel pool delete office >"$TMPDIR/deleted" 2>&1 || fail "$(cat "$TMPDIR/deleted")"
wait_until 60 is_clean || fail "left behind: $(ls "$overlays")"
umount "$overlays"
appliance_stop
