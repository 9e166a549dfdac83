#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-template-verify.sh - carrel template verify: a sound version is told so, a damaged one is named with what to do
#
# timeout-minutes: 10
set -eu
. tests/lib/tiny_appliance.sh

# refused PATTERN ARGUMENT...: verifying fails with a line that says so, and leaves nothing
refused() {
	local pattern=$1
	shift
	tiny_fails carrel template verify "$@" --wait
	tiny_says "$pattern"
	tiny_expect_clean
}

# damaged PATTERN COMMAND...: what the command does to version 1 is found, and version 2 is sound all the same
damaged() {
	local pattern=$1
	shift
	"$@"
	refused "$pattern.*publish the template again" tiny --version 1
	rm -rf "${folder:?}/1"
	cp -a "$TMPDIR/good" "$folder/1"
	carrel template verify tiny --wait >/dev/null
	tiny_expect_versions "1 2"
}

change_byte() {
	printf '\377' | dd of="$folder/1/kernel" bs=1 seek=4000 conv=notrunc status=none
}

change_manifest() {
	jq "$1" "$TMPDIR/good/manifest.json" >"$TMPDIR/manifest"
	cat "$TMPDIR/manifest" >"$folder/1/manifest.json"
}

# Its hash is right: only QEMU finds it
change_state() {
	dd if=/dev/urandom of="$folder/1/qemu/user/state" bs=4096 count=16 seek=1 conv=notrunc status=none
	change_manifest "(.files[] | select(.path == \"qemu/user/state\") | .sha256) = \"$(sha256sum "$folder/1/qemu/user/state" | cut -c 1-64)\""
}

tiny_start
carrel template build tiny --wait >/dev/null
carrel template publish tiny --wait >/dev/null
carrel template publish tiny --wait >/dev/null
folder=$appliance_state/lib/templates/tiny
cp -a "$folder/1" "$TMPDIR/good"

echo "sound: the current version, and an older one"
said=$(carrel template verify tiny --wait)
tiny_says '^tiny@2 is as it was published, and a fork of it answers$'
carrel template verify tiny --version 1 --wait --json >"$TMPDIR/job"
[ "$(jq -r '"\(.kind) \(.state) \(.version): \(.result.steps | map(.name) | join(", "))"' "$TMPDIR/job")" = \
	"verify done 1: verify the hashes, load the memory, fork once, ask its agent" ] || fail "the job is $(cat "$TMPDIR/job")"
tiny_expect_versions "1 2"

echo "none of that name, none of that number"
refused "there is no template 'none' .*carrel template list" none
refused "no host offers template 'tiny@3' \(carrel template list\)" tiny --version 3

echo "damaged: a byte, a size, a missing file, another manifest, none"
damaged "'$folder/1/kernel' is damaged" change_byte
damaged "'$folder/1/qemu/user/memory' has not the size" truncate -s -1 "$folder/1/qemu/user/memory"
damaged "'$folder/1/initrd' has not the size" truncate -s -1 "$folder/1/initrd"
damaged "'$folder/1/initrd' is missing" rm "$folder/1/initrd"
damaged "'$folder/1' holds tiny@2 .* not tiny@1" change_manifest '.version = 2'
damaged "'$folder/1/manifest.json': the manifest cannot be used .*colour" change_manifest '.colour = "red"'

echo "a machine that does not start: its last words are told"
change_state
refused "fork once: load the state: .*; the last line of 'qemu.log' was: .+" tiny --version 1
echo "$said"
appliance_stop
