#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-template-foreign.sh - a template version that this host cannot restore is sealed again by itself, and that is said
#
# Found before a desktop is made (another machine type), and by a fork (another QEMU); a damaged one is given up. There are three
# tries an hour, however they end.
set -eu
. tests/lib/tiny_appliance.sh

tiny_start
carrel template build tiny --wait >/dev/null
carrel template publish tiny --wait >/dev/null
folder=$appliance_state/lib/templates/tiny/1

# change FILTER: of version 1's manifest, as if it had come from another host
change() {
	jq "$1" "$folder/manifest.json" >"$TMPDIR/manifest"
	cat "$TMPDIR/manifest" >"$folder/manifest.json"
}

# said TEXT: how often has hostd said that?
said() {
	grep -c -- "$1" "$appliance_log" || true
}

has_said() {
	[ "$(said "$1")" -ge "$2" ]
}

# seals FILTER: of the jobs that the host has begun by itself, the oldest first
seals() {
	carrel_json "[(.jobs? // .)[] | select(.kind == \"seal\")] | sort_by(.created_ms) | $1" job list
}

# seals_have STATE COUNT WHY: so many have ended so, for that reason; people see which version, whose job it was, and the host
seals_have() {
	[ "$(seals "[.[] | select(.state == \"$1\" and (.reason | test(\"$3\")) and .template == \"tiny\" and .version == 1 and .user == \"\" and .host == \"testhost\")] | length")" = "$2" ]
}

# renewed POOL WHY NUMBER: the pool's desktop comes, after the version was sealed again for that reason
renewed() {
	carrel pool create "$1" --template tiny --size 1 --user ada >/dev/null
	appliance_wait "$1" ready 1
	[ "$(said "template 'tiny@1' cannot be forked here, $2.*: it is sealed again")" = 1 ] || fail "it is not said why it is sealed again: $(grep 'tiny@1' "$appliance_log")"
	[ "$(said "template 'tiny@1' is sealed again for this host")" = "$3" ] || fail "it is not said that it is sealed again: $(grep 'tiny@1' "$appliance_log")"
	wait_until 20 seals_have 'done' 1 "$2" || fail "people do not see that it was sealed again, and why: $(carrel job list)"
	[ "$(seals length)" = "$3" ] || fail "there are not $3 such jobs: $(carrel job list)"
	carrel template verify tiny --version 1 --wait >/dev/null || fail "the version is not sound: $(carrel job list)"
	tiny_expect_versions 1
	grep 'tiny@1' "$appliance_log" | tail -n 2
	carrel pool delete "$1" >/dev/null
	wait_until 60 rests || fail "desktops are left: $(carrel desktop list)"
}

rests() {
	[ -z "$(find "$appliance_state/run/desktops" -mindepth 1 -maxdepth 1)" ]
}

created=$(jq .created_ms "$folder/manifest.json")
change '.machine.type = "pc-q35-5.0"'
renewed early 'it was sealed with machine type pc-q35-5.0, here it is pc-q35-7.2' 1
echo "a desktop waited for a version of another machine type"

change '.engine.version = "7.0.0"'
renewed late 'compare its version: it was sealed with QEMU 7.0.0, here it is' 2
echo "a fork has found out that QEMU is another one"
[ "$(jq .created_ms "$folder/manifest.json")" = "$created" ] || fail "it is another version"

change '.machine.type = "pc-q35-5.0"'
printf '\377' | dd of="$folder/kernel" bs=1 seek=4000 conv=notrunc status=none
state=$(sha256sum <"$folder/qemu/user/state")
carrel pool create never --template tiny --size 1 --user ada >/dev/null
wait_until 60 has_said 'could not be sealed again: .*is damaged.*an hour has passed' 1 || fail "it does not say that it gives up: $(grep 'tiny@1' "$appliance_log")"
[ "$(said 'could not be sealed again')" = 1 ] || fail "it was tried more than three times, those that ended well among them: $(grep 'tiny@1' "$appliance_log")"
wait_until 20 seals_have failed 1 'pc-q35-5.0' || fail "people do not see that it could not be sealed again: $(carrel job list)"
carrel job list | grep -E ' seal .* failed .* is damaged' || fail "the list does not say why it failed: $(carrel job list)"
tiny_fails carrel job cancel "$(seals '.[0].id')"
tiny_says 'the host has begun this job by itself'
[ -z "$(appliance_desktops never ready)" ] || fail "a desktop of a version that cannot be restored is ready"
[ "$state" = "$(sha256sum <"$folder/qemu/user/state")" ] || fail "the old version has not stayed as it was"
tiny_expect_versions 1
grep 'tiny@1' "$appliance_log" | tail -n 1
appliance_stop
