#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-kvm-host-fork.sh - on real KVM a guest is sealed by its publishing, and its desktops are forks of the running machine
#
# The tiny guest, in one start of the KVM host: published and verified there, then desktops of it, each of which answers and tells
# of names, keys and random numbers that no other has (fork_witness.py). The kernel may not merge memory of theirs. The version's
# files stay as they were published. What the fork of the publishing touched of the memory is noted beside it, and is read ahead for the
# first desktop when the page cache has nothing of it. A version that was sealed elsewhere is sealed again by itself, and is forked then.
#
# FORKS is how many are compared, in pools of 12 that come and go. `make soak` has 100: each limit of time is for a few of them.
# timeout-minutes: 10
set -eu
. tests/lib/kvm_appliance.sh

forks=${FORKS:-12}
alive=12
at_once=4
pool=
publish_seconds=300
ready_seconds=120
template=$kvm_appliance_folder/lib/templates/tiny/1
told=$TMPDIR/told

tell() {
	echo "$SECONDS s: $*"
}

appliance_place_template() {
	kvm_host_disk=$TMPDIR/disk.img
	truncate -s 4G "$kvm_host_disk"
	mkdir -p -m 0711 "$TMPDIR/disk/lib/templates"
	mke2fs -q -t ext4 -E lazy_itable_init=1,nodiscard -d "$TMPDIR/disk" "$kvm_host_disk"
	rm -rf "$TMPDIR/disk"
}

publish() {
	local job
	carrel template build tiny --wait >/dev/null || fail "the tiny guest is not built"
	# with less RAM than the CLI's, for reading it twice takes minutes there; root needs no token on this socket
	job=$(curl --silent --show-error --max-time 60 --unix-socket "$appliance_state/run/broker.sock" \
		--header 'Content-Type: application/json' --data '{"ram_mib": 256}' \
		http://localhost/api/v1/templates/tiny/publish | jq -r .job)
	appliance_wait_job "$job" "$publish_seconds"
	carrel_json '.result.steps[] | "  \(.name): \(.ms) ms"' job show "$job"
}

hashes() {
	appliance_inside "cd '$template' && find . -type f -exec sha256sum {} + | sort" 300
}

# note_figures: of the version's memory, as touched_note.py prints them, to all_pages, all_cached, noted and noted_cached
note_figures() {
	local figures
	figures=$(appliance_inside "python3 -B '$appliance_root/tests/lib/touched_note.py' '$template/kvm/user'") ||
		fail "what is noted cannot be read: $figures"
	read -r all_pages all_cached noted noted_cached <<<"$figures"
}

# expect_note: it names something, and less than a half of the memory
expect_note() {
	note_figures
	tell "of $all_pages pages $noted are noted, $all_cached are in the page cache"
	((noted > 0 && noted * 2 < all_pages)) || fail "of $all_pages pages $noted are noted"
}

# expect_cold: nothing of the memory is in the page cache
expect_cold() {
	appliance_inside 'sync; echo 3 >/proc/sys/vm/drop_caches'
	note_figures
	[ "$all_cached" = 0 ] || fail "$all_cached pages of the memory stay in the page cache"
}

# expect_read_ahead: for all desktops of the first pool hostd has asked once for what is noted, and it is there. Between two pools
# nobody wants the version, and hostd may close it and read ahead again
expect_read_ahead() {
	note_figures
	[ "$(grep -c "$noted pages of the memory of '$template' are read ahead" "$appliance_log")" = 1 ] ||
		fail "hostd does not say that it has read the $noted pages ahead"
	tell "of $noted noted pages $noted_cached are in the page cache, $all_cached of all $all_pages"
	[ "$noted_cached" = "$noted" ] || fail "of $noted noted pages $noted_cached are in the page cache"
}

# fork_more SIZE: the pool grows to so many, and the new ones tell what they have, soon after they have got it
fork_more() {
	local desktop folders=''
	carrel pool set "$pool" --size "$1" >/dev/null
	appliance_wait "$pool" ready "$1" "$ready_seconds"
	for desktop in $(appliance_desktops "$pool" ready); do
		grep -q "\"$desktop\"" "$told" || folders+=" '$kvm_appliance_folder/run/desktops/$desktop'"
	done
	# carrel-vmm listens to hostd's uid alone, which may not be allowed to read the tree
	appliance_inside "setpriv --reuid $appliance_hostd_uid --regid $appliance_group --clear-groups \
		python3 -B - read $folders <'$appliance_root/tests/lib/fork_witness.py'" >>"$told" ||
		fail "a fork does not tell what it has: $(tail -n 1 "$told")"
}

# fork_pool SIZE: in a new pool, at_once at a time
fork_pool() {
	local size=0
	pool=lab-$(wc -l <"$told")
	carrel pool create "$pool" --template tiny --size 0 --user ada >/dev/null
	while [ "$size" -lt "$1" ]; do
		size=$((size + at_once < $1 ? size + at_once : $1))
		fork_more "$size"
	done
	[ "$pool" != lab-0 ] || expect_read_ahead
}

# throw_away: the pool and its desktops
throw_away() {
	carrel pool delete "$pool" >/dev/null
	wait_until 60 kvm_appliance_is_idle || fail "desktops are left: $(carrel desktop list)"
}

# fork_all: the last pool stays
fork_all() {
	local left
	for ((left = forks; left > alive; left -= alive)); do
		fork_pool "$alive"
		throw_away
		tell "$((forks - left + alive)) desktops were ready, and have told what they have"
	done
	fork_pool "$left"
	[ "$(appliance_inside 'pidof carrel-vmm | wc -w')" = "$left" ] || fail "there are not $left machines"
}

# judge_forks: they had the template's names, keys and random numbers, and now each has its own; their clocks go on
judge_forks() {
	local sealed_us
	sealed_us=$(appliance_inside "stat -c %Y '$template/kvm/user/state'")000000
	python3 -B tests/lib/fork_witness.py judge "$told" "$forks" "$sealed_us" true >"$TMPDIR/faults" ||
		{ cat "$TMPDIR/faults"; fail "$(head -n 1 "$TMPDIR/faults")"; }
}

# expect_unmerged: no machine has offered any of its memory
expect_unmerged() {
	appliance_inside "python3 -B '$appliance_root/tests/lib/proc_figures.py' \$(pidof carrel-vmm)" ||
		fail "the kernel may merge memory of a desktop with that of others"
}

# fork_milliseconds: of the desktops that were forked so far
fork_milliseconds() {
	grep -o "step=forked ms=[0-9]*" "$appliance_log" | sed "s/.*=//; s/$/ ms/" | tr '\n' ' '
}

[[ $forks =~ ^[1-9][0-9]{0,3}$ ]] || fail "FORKS is a number from 1 to 9999, not '$forks'"
mkdir -p "$TMPDIR/kvm-host"
cp -R "$(bash tests/lib/tiny.sh)" "$TMPDIR/kvm-host/recipes"
appliance_template=tiny
appliance_start "[template]
recipes = $TMPDIR/kvm-host/recipes"
tell "the appliance runs in the KVM host"
publish
appliance_inside "test -s '$template/kvm/user/state' && test -s '$template/kvm/user/memory'" || fail "nothing is sealed"
published=$(hashes)
tell "the tiny guest was published: sealed, and forked once"
expect_note

wait_until 60 appliance_has_template || fail "hostd does not report the template: $(carrel template list 2>&1)"
: >"$told"
expect_cold
fork_all
tell "$forks desktops are ready: their agents have answered; forked in: $(fork_milliseconds)"
judge_forks
tell "no two of them have a name, a key or a random number in common, nor one with the template"
expect_unmerged
tell "no memory of theirs may be merged"
[ "$(hashes)" = "$published" ] || fail "a file of the version has changed: $(hashes)"
tell "the version's files are as they were published"
# as if it had come from a host with another processor; nobody may use it meanwhile
throw_away
appliance_inside "sed -i 's/\"cpuid_sha256\": *\"[0-9a-f]*\"/\"cpuid_sha256\": \"$(printf %064d 0)\"/' '$template/manifest.json'"
doctor=$(appliance_inside "CARREL_BUILD_DIR='$CARREL_BUILD_DIR' '$appliance_root/run' carrel-hostd --doctor --lib '$kvm_appliance_folder/lib'" 60)
grep -q "'tiny@1': it was sealed with CPU carrel-v1, here it is another one" <<<"$doctor" || fail "the doctor does not name it: $doctor"
carrel pool create other --template tiny --size 1 --user ada >/dev/null
appliance_wait other ready 1 "$publish_seconds"
grep "template 'tiny@1'" "$appliance_log" || fail "hostd does not say that it was sealed again"
grep -q "template 'tiny@1' is sealed again for this host" "$appliance_log" || fail "hostd does not say how it ended"
carrel job list | grep -E ' seal +tiny +1 +done .* it was sealed with CPU carrel-v1, here it is another one' || fail "people do not see it: $(carrel job list)"
[ "$(hashes)" != "$published" ] || fail "the version is as it was"
expect_note
tell "a version from another processor was sealed again by itself, and forked"
harm=$(kvm_host_harm) || fail "what the host has suffered is not known: $harm"
[ -z "$harm" ] || fail "the host suffered: $harm"
appliance_stop
