#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# nested-vmm.sh - carrel-vmm beside QEMU, by turns in one KVM host inside QEMU (make bench-vmm)
#
# From exec to /init and to X, the process's own memory, exits while idle, a scrolling terminal, disk and network. The
# figures are those of an emulated processor: their ratios count. RUNS=3 takes about 35 minutes on 2 quiet cores;
# BENCH_VMM="init" takes the first figure alone.
RUNS=${RUNS:-3}
set -eu
. "${BASH_SOURCE[0]%/*}/bench.sh"
. tests/lib/kvm_host.sh

work=/var/tmp/bench-vmm # in the nested host, on its own disk
kvm_host_ram_mib=5120

fail() {
	bench_say "$*"
	exit 1
}

# The golden image's initrd and our hook in it
make_initrd() {
	local hook=$kvm_host_share/hook
	mkdir -p "$hook"
	# shellcheck disable=SC2016
	printf '/scripts/init-bottom/udev "$@"\n/scripts/init-bottom/bench "$@"\n' >"$hook/ORDER"
	PYTHONPATH=tests/recipes/tiny python3 -B -c 'import make_initrd, sys
make_initrd.pack(sys.argv[1], {"scripts/init-bottom/ORDER": sys.argv[2], "scripts/init-bottom/bench": sys.argv[3]})' \
		"$hook/initrd" "$hook/ORDER" tests/bench/vmm_hook.sh
	cp "$image/initrd" "$kvm_host_share/initrd"
	# Linux takes an archive that is not compressed only where a word begins
	truncate --size %4 "$kvm_host_share/initrd"
	cat "$hook/initrd" >>"$kvm_host_share/initrd"
}

write_settings() {
	jq -n --arg build "$CARREL_BUILD_DIR" --arg image "$image" --arg share "$kvm_host_share" --arg work "$work" \
		--arg more 'console=ttyS0 systemd.mask=carrel-warm.service' --slurpfile golden "$image/image.json" '{
			vmm: ($build + "/vmm/carrel-vmm"), kernel: ($work + "/kernel"),
			small_initrd: ($share + "/guest/initrd"), initrd: ($share + "/initrd"),
			command_line: ($golden[0].command_line + " " + $more), disk: ($work + "/disk.img"), tools: ($work + "/tools.img")
		}' >"$kvm_host_share/settings.json"
}

# What both need, on the nested host's own file system. Shared memory in huge pages is what carrel-vmm asks for; QEMU's
# memory is anonymous, for which Debian allows them.
prepare_host() {
	kvm_host_run "set -eu
		mount -t debugfs debugfs /sys/kernel/debug
		echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled
		mkdir -p $work/tools/bin $work/tools/lib
		cp --sparse=always '$image/kernel' $work/kernel
		cp --sparse=always /dev/vdb $work/disk.img
		for program in fio iperf3; do
			cp \"\$(command -v \$program)\" $work/tools/bin/
			cp -L \$(ldd \"\$(command -v \$program)\" | grep -o '/[^ ]*') $work/tools/lib/
		done
		cp '$PWD/tests/bench/vmm_guest.sh' $work/tools/
		mke2fs -q -t ext4 -O ^has_journal -d $work/tools $work/tools.img 256M
		iperf3 --server --daemon" 900 >&2 || fail "the nested host cannot be prepared"
}

# measure WHAT: its samples as they come, its words on standard error
measure() {
	local code=0
	kvm_host_begin "exec python3 -B '$PWD/tests/bench/vmm_sides.py' $1 $RUNS '$kvm_host_share/settings.json' $work/run 2>'$kvm_host_share/$1.log'"
	kvm_host_finish "$kvm_host_command" $((RUNS * 3600)) >>"$bench_samples" || code=$?
	cat "$kvm_host_share/$1.log" >&2
	[ "$code" = 0 ] || fail "'$1' was not measured"
}

trap kvm_host_stop EXIT
image=$(bash tests/lib/golden.sh)
kvm_host_folders=("$image")
kvm_host_disk=$TMPDIR/disk.img
cp --sparse=always "$image/disk.img" "$kvm_host_disk"
bench_say "starting the nested host"
kvm_host_start || fail "there is no KVM host"
CARREL_IMAGE_DIR=$image bash tests/lib/linux_guest.sh "$kvm_host_share/guest"
make_initrd
write_settings
prepare_host
for what in ${BENCH_VMM:-init desktop}; do
	bench_say "$what, $RUNS times each"
	measure "$what"
done
kvm_host_stop
bench_end vmm kvm
