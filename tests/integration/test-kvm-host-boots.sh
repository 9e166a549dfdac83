#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-kvm-host-boots.sh - on real KVM carrel-vmm boots Debian's kernel to /init on one and two CPUs, switches off and reboots
set -u
. tests/lib/kvm_host.sh

vmm="$PWD/tests/lib/vmm_start.py --vmm $CARREL_BUILD_DIR/vmm/carrel-vmm --kernel guest/kernel --initrd guest/initrd --genid $(printf %032d 1)"
boot_seconds=180 # it takes 15

fail() {
	kvm_host_tell
	echo "$*"
	exit 1
}

# begin CPUS END
begin() {
	kvm_host_begin "exec python3 -B $vmm --cpus $1 --command-line 'console=ttyS0 panic=-1 end=$2'"
	guest=$kvm_host_command
}

# has_reached_init CPUS TIMES: has the guest's init been reached that often?
has_reached_init() {
	[ "$(grep -scE "init reached: [0-9]+ ms, $1 CPUs" "$kvm_host_share/$guest.out")" = "$2" ]
}

# reaches_init CPUS TIMES
reaches_init() {
	local started=$SECONDS out=$kvm_host_share/$guest.out
	until has_reached_init "$1" "$2"; do
		if [ -e "$kvm_host_share/$guest.code" ]; then
			has_reached_init "$1" "$2" || fail "carrel-vmm ended before /init, time $2, on $1 CPUs:"$'\n'"$(cat "$out")"
		elif [ $((SECONDS - started)) -gt "$boot_seconds" ]; then
			fail "Debian's kernel did not reach /init on $1 CPUs for time $2:"$'\n'"$(cat "$out")"
		fi
		sleep 0.2
	done
	echo "/init on $1 CPUs, time $2, after $((SECONDS - started)) s: $(grep -o 'init reached.*' "$out" | tail -n 1)"
}

# ends_well SAID: it ends with success, having said this
ends_well() {
	said=$(kvm_host_finish "$guest" 60) || fail "carrel-vmm ends with $?:"$'\n'"$said"
	grep -q -- "$1" <<<"$said" || fail "carrel-vmm does not say '$1':"$'\n'"$said"
}

trap kvm_host_stop EXIT
bash tests/lib/linux_guest.sh "$TMPDIR/kvm-host/guest" || fail "there is no guest"
kvm_host_start || fail "there is no KVM host"

begin 1 poweroff
reaches_init 1 1
ends_well 'running -> off'
ends_well 'machine: carrel-1, generation id: yes'

# each reboot is a reset, after which it boots again
begin 2 reboot
reaches_init 2 1
reaches_init 2 2
kvm_host_run 'kill $(pidof carrel-vmm)' || fail "carrel-vmm does not run any more"
ends_well 'reset'

# a kernel that is none: one line that says so
said=$(kvm_host_run "python3 -B ${vmm/guest\/kernel/guest/initrd}") && fail "it booted an initrd as a kernel"
[ "$(grep -c 'does not start' <<<"$said")" = 1 ] || fail "carrel-vmm does not say why it does not start:"$'\n'"$said"
echo "a kernel that is none: $(tail -n 1 <<<"$said")"
