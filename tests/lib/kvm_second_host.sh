# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# kvm_second_host.sh - second_host.sh with engine kvm: both hosts are in the KVM host inside QEMU (sourced after kvm_appliance.sh)
#
# Its services are children of a script in there, which has second_host.sh's functions as they are. Ports lead to its gateway, too.

. "${BASH_SOURCE[0]%/*}/second_host.sh"

kvm_second_script=
kvm_second_stop=$(declare -f second_stop) # as it is, for in there

second_prepare() {
	second_exchange=$kvm_appliance_folder/exchange
	second_state=$kvm_appliance_folder/other
	second_port=$(appliance_find_ports 1)
	second_listen=0.0.0.0
	second_settings="proxy = http://127.0.0.1:$second_port"
	kvm_host_forwards+=("$second_port:$second_port")
}

second_start() {
	kvm_host_begin "set -eu
		$(declare -p "${!second_@}" appliance_group appliance_hostd_uid appliance_engine)
		appliance_state='$kvm_appliance_folder'
		fail() { echo \"\$*\"; exit 1; }
		appliance_find_service() { pidof -s \"\$1\"; }
		$(declare -f wait_until second_serve second_find_libexec second_run second_start_hostd second_fail)
		$kvm_second_stop
		second_place_templates() { cp -al \"\$@\"; }
		second_serve
		echo 'it runs'
		wait_until 1200 test -e '$kvm_host_share/second.end'
		second_stop"
	kvm_second_script=$kvm_host_command
	wait_until 120 second_is_known || {
		fail "the second host is not known: $(carrel host list 2>&1)
$(second_tell)"
	}
}

second_tell() {
	tail -n 10 "$appliance_log" "$kvm_host_share/$kvm_second_script.out"
	appliance_inside "tail -n 10 '$second_state/log'" || true
}

second_stop() {
	touch "$kvm_host_share/second.end"
	kvm_host_finish "$kvm_second_script" 120 || fail "the second host does not end"
}
