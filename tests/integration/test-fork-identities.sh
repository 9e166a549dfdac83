#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-fork-identities.sh - no two forks share random numbers, keys or names, and their clocks go on: ENGINE=qemu FORKS=100
#
# A template is published, its forks come and go in pools of some. What each of them has is told by a process that was
# sealed with the template, right after the identification; the kernel's own secrets it sees in a new process and on TCP. A
# fifth as many are of a template whose kernel takes no notice of the generation id: there the agent's seed is all that makes
# them different. Of the same a few have the real ssh-keygen. Nor may the kernel make one page of equal ones of theirs.
# timeout-minutes: 10
set -eu
. tests/lib/tiny_appliance.sh
. tests/lib/faults.sh

appliance_engine=${ENGINE:-qemu}
forks=${FORKS:-100}
with_keys=2
alive=10
role=qemu
[ "$appliance_engine" != kvm ] || role=vmm

# fork_some POOL COUNT: that many forks, heard and thrown away
fork_some() {
	local desktop folders=()
	appliance_make_pool "$1" "$2" ada
	for desktop in $(appliance_desktops "$1" ready); do
		folders+=("$appliance_state/run/desktops/$desktop")
		expect_unmerged "$desktop"
	done
	python3 -B tests/lib/fork_witness.py read "${folders[@]}" >>"$told" || fail "a fork of '$1' does not tell what it has"
	carrel pool delete "$1" >/dev/null
	wait_until 60 is_gone "$1" || fail "the pool '$1' does not end: $(carrel desktop list 2>&1)"
}

# expect_unmerged DESKTOP: its process has not offered any of its memory
expect_unmerged() {
	local pid
	pid=$(faults_find_process "$1" "$role") || fail "no machine is recorded for '$1'"
	python3 -B tests/lib/proc_figures.py "$pid" || fail "the kernel may merge memory of '$1' with that of other machines"
}

is_gone() {
	[ -z "$(appliance_desktops "$1" '.*')" ]
}

# compare NAME COUNT VMGENID: forks of the recipe as it is now
compare() {
	local sealed_us n
	carrel template build tiny --wait >/dev/null
	carrel template publish tiny --wait >/dev/null
	sealed_us=$(date +%s%6N)
	told=$TMPDIR/$1
	for ((n = 0; n < $2; n += alive)); do
		fork_some "$1-$n" $(($2 - n < alive ? $2 - n : alive))
	done
	echo "$1: $2 forks in $(($(date +%s) - sealed_us / 1000000)) s"
	python3 -B tests/lib/fork_witness.py judge "$told" "$2" "$sealed_us" "$3" >"$TMPDIR/faults" ||
		{ cat "$TMPDIR/faults"; fail "$1: $(head -n 1 "$TMPDIR/faults")"; }
}

tiny_start
compare all "$forks" true
# the name of the driver's init function (drivers/virt/vmgenid.c)
sed -i 's/^cmdline=.*/& initcall_blacklist=vmgenid_driver_init/' "$TMPDIR/recipes/tiny/recipe.conf"
compare seeded $((forks / 5)) false
# what makes keys of the random numbers; one fork at a time, because RSA's primes take seconds on an emulated processor
install -D -m 0755 "$(command -v ssh-keygen)" "$TMPDIR/recipes/tiny/parts/programs/ssh-keygen"
alive=1
compare keys "$with_keys" false
jq -es 'all(.[].after; (.ssh_rsa | startswith("AAAAB3NzaC1yc2E")) and
	(.ssh_ecdsa | startswith("AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY")) and
	(.ssh_ed25519 | startswith("AAAAC3NzaC1lZDI1NTE5")))' "$told" >/dev/null ||
	fail "these are no keys of ssh-keygen's: $(jq -c '.after | [.ssh_rsa, .ssh_ecdsa, .ssh_ed25519]' "$told")"
echo "the keys of $with_keys forks were made by ssh-keygen"
appliance_stop
