#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# kvm_sealed.sh - prints the folder of a version of the golden image that is sealed for the KVM host inside QEMU (kvm_host.sh)
#
# kvm_sealed.sh [kvm|qemu]: under carrel-vmm, or under QEMU with that host's /dev/kvm: the latter is measured alone, and has no
# manifest.
#
# A publish there reads everything several times to hash it, which takes an emulated processor ten minutes; here only the
# sealing is done there (kvm_seal.py), the hashes outside. Kept like golden images (golden.sh), under a hash of the image
# and of what decides what a sealed machine is. Its guests tell their disk what they have deleted, and leave out what an
# emulated processor that boots each of them has no use for.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/tests/lib/cache.sh"

engine=${1:-kvm}
template=debian-openbox
cpus=2
ram_mib=1024

say() {
	printf 'sealed template: %s\n' "$*" >&2
}

list_ingredients() {
	basename "$1"
	basename "$(bash "$root/tests/lib/golden.sh" kvm-host)"
	if [ "$engine" = kvm ]; then
		(cd "$root" && cache_hash_tree vmm base/{cpu_model,proto_vmm,proto_source}.[ch] host/vmm_machine.c tests/lib/kvm_seal*)
	else
		(cd "$root" && cache_hash_tree tests/lib/{kvm_seal*,qemu_fork.py,qemu_seal.py})
	fi
	qemu-system-x86_64 --version
}

# seal IMAGE FOLDER: in a KVM host of its own, whose second disk the folder becomes
seal() {
	local command_line program="'$root/tests/lib/qemu_seal.py'" seconds=1800
	[ "$engine" = qemu ] || { program="'$root/tests/lib/kvm_seal.py' '$CARREL_BUILD_DIR/vmm/carrel-vmm'" && seconds=900; }
	. "$root/tests/lib/kvm_host.sh"
	mkdir "$TMPDIR/disk"
	cp --reflink=auto --sparse=always "$1"/{disk.img,kernel,initrd} "$TMPDIR/disk/"
	kvm_host_disk=$TMPDIR/disk.raw
	truncate -s 8G "$kvm_host_disk"
	mke2fs -q -t ext4 -E lazy_itable_init=1,nodiscard -d "$TMPDIR/disk" "$kvm_host_disk"
	rm -rf "$TMPDIR/disk"
	command_line=$(jq -r '(.command_line | sub("rootflags="; "rootflags=discard,")) + " mitigations=off systemd.mask=carrel-warm.service"' "$1/image.json")
	trap 'kvm_host_stop' EXIT
	kvm_host_start || return
	gcc -I"$root" -o "$kvm_host_share/cpu_identity" "$root/tests/lib/cpu_identity.c" "$CARREL_BUILD_DIR/base/libbase.a"
	kvm_host_run "set -e
		echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled
		mount -o noatime /dev/vdb /mnt
		./cpu_identity carrel-v1 $cpus >cpu
		python3 -B $program /mnt $cpus $ram_mib '$command_line'
		umount /mnt" $seconds >&2 || return
	kvm_host_stop
	trap - EXIT
	mkdir -p "$2/$engine/user"
	cp -p "$1"/{kernel,initrd} "$2/"
	for file in disk.img "$engine"/user/{memory,state}; do
		debugfs -R "dump /$file $2/$file" "$kvm_host_disk" 2>/dev/null
		fallocate --dig-holes "$2/$file"
	done
	[ "$engine" = qemu ] || describe "$1" "$2" "$command_line" "$(sha256sum <"$kvm_host_share/cpu" | cut -c 1-64)" >"$2/manifest.json"
}

# describe IMAGE FOLDER COMMAND_LINE CPUID: the manifest, as a publish writes it
describe() {
	local file
	for file in disk.img kernel initrd kvm/user/memory kvm/user/state; do
		jq -n --arg path "$file" --argjson size "$(stat -c %s "$2/$file")" --arg sha256 "$(sha256sum <"$2/$file" | cut -c 1-64)" \
			'{$path, $size, $sha256}'
	done | jq -s --arg name "$template" --arg line "$3" --arg cpuid "$4" --argjson cpus "$cpus" --argjson ram "$ram_mib" --slurpfile image "$1/image.json" \
		'{v: 1, name: $name, version: 1, parent: "", created_ms: $image[0].created_ms, author: "", note: "", kinds: ["user"], agent_version: 1,
		engine: {name: "kvm", version: "1", accelerator: "kvm", state_format: 1},
		machine: {type: "carrel-1", cpu: "carrel-v1", cpuid_sha256: $cpuid, $cpus, ram_mib: $ram, command_line: $line,
			devices: [{id: "disk", driver: "virtio-blk-pci", address: "0x3"}]},
		report: [], files: .}'
}

image=$(bash "$root/tests/lib/golden.sh" "$template")
cache_open
key=$(list_ingredients "$image" | sha256sum | cut -c 1-16)
kind=sealed-$template
[ "$engine" = kvm ] || kind=sealed-$engine-$template
name=$kind-$key
cache_lock "$name"
if ! [ -d "$cache/$name" ]; then
	started=$SECONDS
	say "making '$cache/$name' (about 4 minutes, more with QEMU)"
	cache_make_temporary
	trap 'rm -rf "$temporary"' EXIT
	(export TMPDIR=$temporary && seal "$image" "$temporary/version" 9>&-) || { say "failed"; exit 1; }
	mv -T "$temporary/version" "$cache/$name"
	rm -rf "$temporary"
	say "made in $((SECONDS - started)) s"
fi
cache_use "$cache/$name"
cache_drop_old "$kind-*"
echo "$cache/$name"
