#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-kvm-host-boots.sh - on real KVM carrel-vmm boots Debian's kernel to /init on one and two CPUs, switches off and reboots
# timeout-minutes: 15
set -u
[ -n "${CARREL_TEST_KVM_HOST:-}" ] || {
	echo "guests of the emulated KVM host fall silent now and then; CARREL_TEST_KVM_HOST=1 runs this test"
	exit 77
}
. tests/lib/kvm_host.sh

vmm="$PWD/tests/lib/vmm_start.py --vmm $CARREL_BUILD_DIR/vmm/carrel-vmm --kernel guest/kernel --initrd guest/initrd"
silent_seconds=100 # the kernel prints all that it does

fail() {
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

# reaches_init CPUS TIMES: false when the guest is silent
reaches_init() {
	local started=$SECONDS out=$kvm_host_share/$guest.out
	until has_reached_init "$1" "$2"; do
		if [ -e "$kvm_host_share/$guest.code" ]; then
			has_reached_init "$1" "$2" || fail "carrel-vmm ended before /init, time $2, on $1 CPUs:"$'\n'"$(cat "$out")"
		elif [ $((SECONDS - started)) -gt 300 ]; then
			fail "Debian's kernel did not reach /init on $1 CPUs for time $2:"$'\n'"$(cat "$out")"
		elif kvm_host_is_silent "$guest" "$silent_seconds"; then
			return 1
		fi
		sleep 0.2
	done
	echo "/init on $1 CPUs, time $2, after $((SECONDS - started)) s: $(grep -o 'init reached.*' "$out" | tail -n 1)"
}

# boots CPUS END TIMES: until /init has been reached that often; a guest that falls silent is started again
boots() {
	local try time
	for try in 1 2 3; do
		begin "$1" "$2"
		for ((time = 1; time <= $3; time++)); do
			reaches_init "$1" "$time" || break
		done
		[ "$time" -le "$3" ] || return 0
		kvm_host_tell_silent "$silent_seconds" "$try" || fail "a guest on $1 CPUs falls silent each time:"$'\n'"$(tail "$kvm_host_share/$guest.out")"
		kvm_host_run 'kill -KILL $(pidof carrel-vmm)' || fail "carrel-vmm does not run any more"
		kvm_host_finish "$guest" 60 >/dev/null || true
	done
}

# ends_well SAID: it ends with success, having said this
ends_well() {
	said=$(kvm_host_finish "$guest" 60) || fail "carrel-vmm ends with $?:"$'\n'"$said"
	grep -q -- "$1" <<<"$said" || fail "carrel-vmm does not say '$1':"$'\n'"$said"
}

trap kvm_host_stop EXIT
bash tests/lib/linux_guest.sh "$TMPDIR/kvm-host/guest" || fail "there is no guest"
kvm_host_start || fail "there is no KVM host"

boots 1 poweroff 1
ends_well 'running -> off'

# each reboot is a reset, after which it boots again
boots 2 reboot 2
kvm_host_run 'kill $(pidof carrel-vmm)' || fail "carrel-vmm does not run any more"
ends_well 'reset'

# a kernel that is none: one line that says so
said=$(kvm_host_run "python3 -B ${vmm/guest\/kernel/guest/initrd}") && fail "it booted an initrd as a kernel"
[ "$(grep -c 'does not start' <<<"$said")" = 1 ] || fail "carrel-vmm does not say why it does not start:"$'\n'"$said"
echo "a kernel that is none: $(tail -n 1 <<<"$said")"
