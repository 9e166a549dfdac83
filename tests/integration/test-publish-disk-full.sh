#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-publish-disk-full.sh - a disk that fills up during a build and a publish: named, nothing lost, nothing left
#
# timeout-minutes: 15
# The state folder is a small file system of the test's own, in a mount namespace of its own.
set -eu
[ "${1:-}" = inside ] || [ "$(id -u)" != 0 ] || exec unshare --mount --propagation private bash "$0" inside
. tests/lib/tiny_appliance.sh

# fill MIB: leaves that much space
fill() {
	local free
	free=$(df --output=avail -k "$appliance_state" | tail -n 1)
	rm -f "$appliance_state/fill"
	free=$(df --output=avail -k "$appliance_state" | tail -n 1)
	fallocate -l $((free - $1 * 1024))KiB "$appliance_state/fill"
}

# expect_full VERB: it fails, names the disk and says what to do, and only what was there before is there
expect_full() {
	tiny_fails carrel template "$1" tiny --wait
	echo "$said"
	tiny_says "(No space left on device|disk full)"
	tiny_says "free space on the disk of '$appliance_state/lib/staging', then run the $1 again"
	tiny_expect_versions 1
}

# expect_numbers MIB: the failed publish tells that this much is left, and that it takes the image and a gigabyte of RAM
expect_numbers() {
	local left needed
	read -r left needed < <(sed -nE 's/.*disk full, ([0-9]+) MiB left and a publish takes up to ([0-9]+): free .*/\1 \2/p' <<<"$said") ||
		fail "it does not say how much is left and needed"
	((left >= $1 - 2 && left <= $1)) || fail "it says that $left MiB are left, of $1"
	needed=$((needed - 1024 - image_mib))
	((needed >= 0 && needed <= 64)) || fail "it says that it takes $needed MiB beside image and RAM"
}

tiny_prepare
mkdir "$TMPDIR/disk"
mount -t tmpfs -o size=700m,mode=0711 tmpfs "$TMPDIR/disk"
appliance_state=$TMPDIR/disk/s
mkdir -m 0711 "$appliance_state"
appliance_restart
carrel template build tiny --wait >/dev/null
carrel template publish tiny --wait >/dev/null
tiny_expect_versions 1
image_mib=$(du -sm "$appliance_state/lib/images/tiny" | cut -f 1)
built=$(jq .created_ms "$appliance_state/lib/images/tiny/image.json")

echo "full while it builds: the image that was there stays"
fill 6
expect_full build
[ "$(jq .created_ms "$appliance_state/lib/images/tiny/image.json")" = "$built" ] || fail "the failed build replaced the image"

echo "full while the image is copied"
expect_full publish
expect_numbers 6

# Here nobody meets "No space left on device": QEMU ends when it touches a page that the disk has no room for.
echo "full when the machine starts"
fill $((image_mib + 1))
expect_full publish
expect_numbers $((image_mib + 1))

echo "full while the machine is saved"
fill $((40 + $(stat -c %s "$appliance_state/lib/images/tiny/kernel") / 1048576)) # the copy of the image fits, the memory does not
expect_full publish

echo "with space again both work, and so does the version from before"
rm "$appliance_state/fill"
carrel template build tiny --wait >/dev/null
[ "$(carrel template publish tiny --wait)" = "tiny@2 is published and is the current version now" ] ||
	fail "the publish does not say which version is current"
tiny_expect_versions "1 2"
carrel pool create old --template tiny@1 --size 1 --user ada >/dev/null
appliance_wait old ready 1
appliance_stop
umount "$TMPDIR/disk"
