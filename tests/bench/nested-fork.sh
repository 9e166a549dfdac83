#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# nested-fork.sh - forks of the Debian desktop by carrel-vmm and by QEMU, by turns in one KVM host inside QEMU (make bench-fork)
#
# nested-fork.sh [WHAT], which is "nested" or, by carrel-vmm alone,
#	alive	what idle forks cost with 1, 10 and 100 alive, in a host with more memory (BENCH_FORK=alive)
#	cold	forks over a memory file that is not in the page cache, with and without reading ahead (BENCH_FORK=cold)
#	soak	RUNS forks in a row, and 20 at once, of which none may be stuck; then the version's files are as they were sealed, and
#		the host is unharmed (make soak)
#
# To the first instruction, to the agent's answer, to the picture of a session, and what an idle fork costs. The times are
# those of an emulated processor: their ratios count.
RUNS=${RUNS:-10}
set -eu
what=${1:-nested}
. "${BASH_SOURCE[0]%/*}/bench.sh"
. tests/lib/kvm_host.sh

kvm_host_ram_mib=5120
seconds=$((1200 + RUNS * 600))
case $what in
alive) kvm_host_ram_mib=12288 && seconds=14400 ;;
soak) seconds=$((7200 + RUNS * 60)) ;;
esac

fail() {
	bench_say "$*"
	exit 1
}

# The sealed versions on one disk; as links, for they are large
make_disk() {
	local engine sealed folder=$TMPDIR/disk
	for engine in kvm $([ "$what" != nested ] || echo qemu); do
		sealed=$(bash tests/lib/kvm_sealed.sh "$engine") || fail "the desktop is not sealed with $engine"
		mkdir -p "$folder"
		[ "$engine" = qemu ] || engine=carrel
		cp -al "$sealed" "$folder/$engine" 2>/dev/null ||
			{ rm -rf "${folder:?}/$engine" && cp -a --reflink=auto --sparse=always "$sealed" "$folder/$engine"; }
	done
	kvm_host_disk=$TMPDIR/disk.img
	truncate -s 16G "$kvm_host_disk"
	mke2fs -q -t ext4 -E lazy_itable_init=1,nodiscard -d "$folder" "$kvm_host_disk"
	rm -rf "$folder"
}

# Shared memory in huge pages is what carrel-vmm asks for
prepare_host() {
	kvm_host_run "set -eu
		mount -t debugfs debugfs /sys/kernel/debug
		echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled
		mount -o noatime /dev/vdb /mnt" >&2 || fail "the nested host cannot be prepared"
}

measure() {
	local code=0
	kvm_host_begin "export CARREL_BUILD_DIR='$CARREL_BUILD_DIR' TMPDIR=/mnt/work
		mkdir \$TMPDIR
		exec python3 -B '$PWD/tests/bench/fork_nested.py' $RUNS /mnt $what 2>'$kvm_host_share/fork.log'"
	kvm_host_finish "$kvm_host_command" "$seconds" >>"$bench_samples" || code=$?
	cat "$kvm_host_share/fork.log" >&2
	[ "$code" = 0 ] || fail "not all forks came to their end"
}

# expect_unharmed: stops the host
expect_unharmed() {
	local harm changed
	harm=$(kvm_host_harm) || fail "what the host has suffered is not known: $harm"
	[ -z "$harm" ] || fail "the host suffered: $harm"
	kvm_host_run sync
	kvm_host_stop
	changed=$(kvm_host_list_changed /carrel "$(bash tests/lib/kvm_sealed.sh)/manifest.json") ||
		fail "which files of its version a fork has changed is not known: $changed"
	[ -z "$changed" ] || fail "a fork has changed files of its version: $changed"
	bench_say "the host is unharmed, and the version's files are as they were sealed"
}

trap kvm_host_stop EXIT
make_disk
bench_say "starting the nested host"
kvm_host_start || fail "there is no KVM host"
prepare_host
bench_say "$what, RUNS=$RUNS"
measure
if [ "$what" = soak ]; then
	expect_unharmed
else
	kvm_host_stop
	bench_end "fork-$what" kvm
fi
