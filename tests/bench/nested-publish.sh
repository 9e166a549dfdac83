#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# nested-publish.sh - an admin's own publish seals the Debian desktop on engine kvm in the KVM host, and desktops are its forks (make soak)
#
# The golden image as it is: the sealed version that tests have (tests/lib/kvm_sealed.sh) is made by kvm_seal.py, with another command
# line and without the session that is run once at boot. Two desktops are forked from what carrel-worker has sealed, and their agents
# answer; the version's files stay what its manifest says. An emulated processor reads and hashes gigabytes for this: its limits of
# time are wide.
set -eu
. "${BASH_SOURCE[0]%/*}/bench.sh"
. tests/lib/kvm_appliance.sh

publish_seconds=5400
ready_seconds=1200
desktops=2
version=lib/templates/$appliance_template/1 # on the disk of the state

# appliance_place_template: nothing is published yet, the image is there
appliance_place_template() {
	local folder=$TMPDIR/disk/lib
	mkdir -p -m 0711 "$folder"
	mkdir "$folder/templates"
	appliance_place "$image" "$folder/images/$appliance_template"
	chown "$appliance_hostd_uid:$appliance_group" "$folder/images"
	kvm_host_disk=$TMPDIR/disk.img
	truncate -s 12G "$kvm_host_disk"
	mke2fs -q -t ext4 -E lazy_itable_init=1,nodiscard -d "$TMPDIR/disk" "$kvm_host_disk"
	rm -rf "$TMPDIR/disk"
}

# begin_publish: sets $job; refused until hostd has reported the image. After any other answer, or none, there may be a job: a second
# one would publish again
begin_publish() {
	job=$(carrel_json .job template publish "$appliance_template" 2>"$TMPDIR/refusal")
	[[ $job = j-* ]] && return
	grep -qE '\((host\.none|image\.unknown), 409\)$' "$TMPDIR/refusal" || fail "the broker has not said whether it publishes: $job$(cat "$TMPDIR/refusal")"
	return 1
}

publish() {
	local job
	wait_until 120 begin_publish || fail "nothing is published: $(cat "$TMPDIR/refusal")"
	appliance_wait_job "$job" "$publish_seconds"
	carrel_json '.result.steps[] | "  \(.name): \(.ms) ms"' job show "$job" >&2
	appliance_inside "cat '$kvm_appliance_folder/$version/manifest.json'" >"$TMPDIR/manifest.json"
}

# expect_sealed_here: carrel-vmm's running machine, booted as the image says and with nothing else
expect_sealed_here() {
	local found wanted
	wanted=$(jq -c '["kvm", .command_line]' "$image/image.json")
	found=$(jq -c '[.engine.name, .machine.command_line]' "$TMPDIR/manifest.json")
	[ "$found" = "$wanted" ] || fail "the manifest has $found, not $wanted"
	appliance_inside "test -s '$kvm_appliance_folder/$version/kvm/user/state'" || fail "nothing is sealed"
}

# expect_forked: each desktop is ready and a fork, and none was booted or sealed again
expect_forked() {
	local desktop ready
	ready=$(appliance_desktops office ready)
	[ "$(wc -w <<<"$ready")" = "$desktops" ] || fail "not $desktops desktops are ready: $(carrel desktop list 2>&1)"
	for desktop in $ready; do
		grep -q "desktop=$desktop step=forked " "$appliance_log" || fail "'$desktop' was not forked"
	done
	[ "$(appliance_inside 'pidof carrel-vmm | wc -w')" = "$desktops" ] || fail "there are not $desktops machines"
	! grep "sealed again" "$appliance_log" || fail "this host does not restore what it has sealed"
}

image=$(bash tests/lib/golden.sh "$appliance_template") || fail "there is no golden image"
appliance_start
bench_say "the appliance runs in the KVM host; '$appliance_template' is published"
publish
expect_sealed_here
bench_say "published after $SECONDS s"
appliance_create_pool office "$desktops" --user ada
appliance_wait office ready "$desktops" "$ready_seconds"
expect_forked
bench_say "$desktops desktops of it answer: $(grep -o 'step=forked ms=[0-9]*' "$appliance_log" | tr '\n' ' ')"
harm=$(kvm_host_harm) || fail "what the host has suffered is not known: $harm"
[ -z "$harm" ] || fail "the host suffered: $harm"
appliance_stop
kvm_host_run sync
kvm_host_stop
changed=$(kvm_host_list_changed "/$version" "$TMPDIR/manifest.json") ||
	fail "which files of the version a fork has changed is not known: $changed"
[ -z "$changed" ] || fail "a fork has changed files of the version: $changed"
bench_say "the host is unharmed, and the version's files are what its manifest says"
