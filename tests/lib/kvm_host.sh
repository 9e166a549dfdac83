# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# kvm_host.sh - a host with real KVM for a test, inside QEMU: any machine can run it (sourced; needs TMPDIR and root)
#
# QEMU's tcg emulates AMD's SVM with nested paging well enough for Linux' own kvm-amd, on one processor (docs/HACKING.md
# says why); its guests may have more. The host is Debian with the packages
# of tests/recipes/kvm-host, made once by golden.sh; what is written to its disk is lost when it ends. The tree, the build
# and the golden image are there under the same paths as outside, read-only, and so is the folder $kvm_host_share, which
# both sides may write to. An example:
#
#	kvm_host_start
#	kvm_host_run "'$CARREL_BUILD_DIR/vmm/carrel-vmm' --help"
#	kvm_host_stop
#
# It has one network interface to the outside (QEMU's user network); kvm_host_forwards are ports of this machine's loopback
# that lead into it. Everything in it is 10 to 30 times slower than outside, and in its guests once more: boot them `quiet`.
#
# It is poked ten times a second: QEMU 7.2 clears the virtual interrupt at the end of each #VMEXIT (do_vmexit() in
# target/i386/tcg/sysemu/svm_helper.c) by reading and writing all of interrupt_request without its lock, so that the timer's
# interrupt, which another thread sets there, is lost at times. It stays pending in the APIC, and an idle processor sleeps
# until any other interrupt makes the APIC look again: minutes, when none comes.

kvm_host_tools=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
kvm_host_root=$(cd "$kvm_host_tools/../.." && pwd)
kvm_host_ram_mib=4096
kvm_host_folders=()   # more folders to be seen in it, read-only
kvm_host_forwards=()  # OUTSIDE-PORT:INSIDE-PORT
kvm_host_log=4M       # of its kernel's messages are kept, for kvm_host_harm after hours
kvm_host_disk=        # a raw file that is its second disk, /dev/vdb, and is written to
kvm_host_share=
kvm_host_pid=
kvm_host_poke=

kvm_host_fail() {
	echo "KVM host: $*" >&2
	{ tail -n 20 "$kvm_host_share/console" && grep -v 'warning: TCG' "$kvm_host_share/qemu.log"; } >&2
	return 1
}

# kvm_host_wait_for SECONDS FILE: until it exists in the share
kvm_host_wait_for() {
	local end=$((SECONDS + $1))
	until [ -e "$kvm_host_share/$2" ]; do
		kill -0 "$kvm_host_pid" 2>/dev/null || { kvm_host_fail "it ended by itself" || return; }
		[ "$SECONDS" -lt "$end" ] || { kvm_host_fail "there is no '$2' after $1 s" || return; }
		sleep 0.1
	done
}

# kvm_host_start: ready for commands when it returns
kvm_host_start() {
	local image folder forward network=user,model=virtio-net-pci arguments=() tag=0
	[ "$(id -u)" = 0 ] || { echo "root is needed: files keep their owners" && exit 77; }
	image=$(bash "$kvm_host_tools/golden.sh" kvm-host) || return
	kvm_host_share=$TMPDIR/kvm-host
	mkdir -p "$kvm_host_share"
	mkfifo "$kvm_host_share/commands.in" "$kvm_host_share/commands.out"
	echo "$kvm_host_share" >"$kvm_host_share/path"
	for folder in "$kvm_host_root" "$CARREL_BUILD_DIR" "${kvm_host_folders[@]}"; do
		echo "folder$tag $folder" >>"$kvm_host_share/folders"
		arguments+=(-virtfs "local,path=$folder,mount_tag=folder$tag,security_model=passthrough,readonly=on,multidevs=remap")
		tag=$((tag + 1))
	done
	for forward in "${kvm_host_forwards[@]}"; do
		network+=",hostfwd=tcp:127.0.0.1:${forward%:*}-:${forward#*:}"
	done
	[ -z "$kvm_host_disk" ] ||
		arguments+=(-drive "file=$kvm_host_disk,format=raw,if=virtio,cache=unsafe,discard=unmap")
	qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none \
		-machine q35 -accel tcg,thread=multi -cpu EPYC,+svm,+npt -smp 1 -m "$kvm_host_ram_mib" \
		-kernel "$image/kernel" -initrd "$image/initrd" -append "$(jq -r .command_line "$image/image.json") log_buf_len=$kvm_host_log" \
		-drive "file=$image/disk.img,format=raw,if=virtio,snapshot=on,discard=unmap" -nic "$network" \
		-virtfs "local,path=$kvm_host_share,mount_tag=share,security_model=passthrough,multidevs=remap" \
		"${arguments[@]}" -serial "file:$kvm_host_share/console" -device virtio-serial \
		-chardev "pipe,id=commands,path=$kvm_host_share/commands" -device virtserialport,chardev=commands,name=commands \
		>"$kvm_host_share/qemu.log" 2>&1 </dev/null 9>&- &
	kvm_host_pid=$!
	exec 8<>"$kvm_host_share/commands.in"
	while kill -0 "$kvm_host_pid" 2>/dev/null; do echo && sleep 0.1; done >&8 2>/dev/null </dev/null 9>&- &
	kvm_host_poke=$!
	kvm_host_wait_for 300 up
}

# kvm_host_begin SCRIPT: runs it there with bash and does not wait; sets $kvm_host_command to its number. What it prints is
# in $kvm_host_share/NUMBER.out while it runs
kvm_host_begin() {
	# counted there, for this may run in a subshell
	kvm_host_command=1
	while [ -e "$kvm_host_share/$kvm_host_command.sh" ]; do kvm_host_command=$((kvm_host_command + 1)); done
	echo "$1" >"$kvm_host_share/$kvm_host_command.sh"
	echo "$kvm_host_command" >&8
}

# kvm_host_finish NUMBER [SECONDS]: waits for its end; prints what it printed and returns its exit status, 124 when it has none
kvm_host_finish() {
	local code=124
	! kvm_host_wait_for "${2:-300}" "$1.code" || code=$(cat "$kvm_host_share/$1.code")
	cat "$kvm_host_share/$1.out"
	return "$code"
}

# kvm_host_run SCRIPT [SECONDS]
kvm_host_run() {
	kvm_host_begin "$1"
	kvm_host_finish "$kvm_host_command" "${2:-}"
}

# kvm_host_tell: what the machines there do, for a test that has failed; soon, for it may be over its time
kvm_host_tell() {
	[ -z "$kvm_host_pid" ] || kvm_host_run "bash '$kvm_host_tools/kvm_facts.sh'" 10
}

# kvm_host_harm: prints what its kernel has suffered since it was started. Fails, and prints why, when that is not known
kvm_host_harm() {
	local log
	log=$(kvm_host_run dmesg) || { echo "dmesg ended with $?: $(tail -n 3 <<<"$log")" && return 1; }
	# the first message that is there
	[[ $log = *'] Linux version '* ]] || { echo "the kernel has kept the last $(wc -l <<<"$log") messages only" && return 1; }
	grep -E 'BUG|WARNING|Oops|lockup|kvm.*error' <<<"$log" || [ $? = 1 ]
}

# kvm_host_list_changed FOLDER MANIFEST: prints the files of the version there, on its second disk, that are not what that manifest
# says; when the disk is synced and the host is stopped. Fails, and prints why, when that is not known
kvm_host_list_changed() {
	local files path sha256 problem file=$TMPDIR/version-file
	files=$(jq -er '.files[] | "\(.path) \(.sha256)"' "$2" 2>&1) || { echo "'$2' names no files: $files" && return 1; }
	while read -r path sha256; do
		# it ends with 0 whatever happens; its own name and version it says each time
		! problem=$(debugfs -R "dump $1/$path $file" "$kvm_host_disk" 2>&1 >/dev/null | grep -v '^debugfs [0-9]') ||
			{ echo "'$1/$path' cannot be read: $problem" && return 1; }
		[ "$(sha256sum <"$file" | cut -c 1-64)" = "$sha256" ] || echo "$path"
		rm "$file"
	done <<<"$files"
}

# kvm_host_stop: ends it at once, for traps too; the files in the share stay
kvm_host_stop() {
	[ -n "$kvm_host_pid" ] || return 0
	kill "$kvm_host_pid" "$kvm_host_poke" 2>/dev/null
	wait "$kvm_host_pid" "$kvm_host_poke" || true # they were killed
	kvm_host_pid=
	exec 8>&-
}
