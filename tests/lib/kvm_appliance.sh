# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# kvm_appliance.sh - appliance.sh with engine kvm: the appliance is in the KVM host inside QEMU (sourced; needs TMPDIR and root)
#
# What uses an appliance works as with one of this machine: its ports are forwarded, the broker's local socket is relayed
# (relay.py), and $appliance_state has its certificate. Its state is on the host's second disk, which is made here with the
# template on it. Whatever runs in there is asked by appliance_inside.

. "${BASH_SOURCE[0]%/*}/appliance.sh"
. "${BASH_SOURCE[0]%/*}/kvm_host.sh"

# shellcheck disable=SC2034
appliance_engine=auto     # the host finds out what it can do
kvm_appliance_folder=/mnt # of the state, in there
kvm_appliance_relay=
kvm_appliance_up=

# appliance_place_template: what was sealed for that host becomes version 1
appliance_place_template() {
	local sealed folder=$TMPDIR/disk/lib/templates/$appliance_template
	sealed=$(bash "$appliance_tools/kvm_sealed.sh") || fail "there is no sealed version"
	mkdir -p -m 0711 "$TMPDIR/disk/lib"
	mkdir -p "$folder"
	appliance_place "$sealed" "$folder/1"
	kvm_host_disk=$TMPDIR/disk.img
	truncate -s 8G "$kvm_host_disk"
	mke2fs -q -t ext4 -E lazy_itable_init=1,nodiscard -d "$TMPDIR/disk" "$kvm_host_disk"
	rm -rf "$TMPDIR/disk"
}

# appliance_run_up: the host, `carrel up` in it, and the ways to it
appliance_run_up() {
	local ports socket
	read -r -a ports < <(appliance_find_ports 3)
	ports[0]=${appliance_ports% *}
	ports[1]=${appliance_ports#* }
	# who comes from outside comes to the host's address
	sed -i -e 's/127\.0\.0\.1:/0.0.0.0:/' -e "/^\[gateway\]/a proxy = http://127.0.0.1:${ports[1]}" "$TMPDIR/carrel.conf"
	kvm_host_forwards+=("${ports[0]}:${ports[0]}" "${ports[1]}:${ports[1]}" "${ports[2]}:${ports[2]}")
	# the links that it makes in the build, which cannot be written from in there
	"$appliance_root/run" carrel --version >/dev/null
	kvm_host_start || fail "there is no KVM host"
	cp "$TMPDIR/carrel.conf" "$kvm_host_share/"
	appliance_inside "
		echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled
		mount -o noatime /dev/vdb '$kvm_appliance_folder'
		chmod 0711 '$kvm_appliance_folder'
		find '$kvm_appliance_folder/lib/templates' -type d -exec chown '$appliance_hostd_uid:$((appliance_group + 3))' {} +
		cp carrel.conf /run/ && chmod 0644 /run/carrel.conf" || fail "the state's disk cannot be mounted"
	kvm_host_begin "export LC_ALL=C.UTF-8 CARREL_BUILD_DIR='$CARREL_BUILD_DIR'
		exec '$appliance_root/run' carrel up --state '$kvm_appliance_folder' --config /run/carrel.conf --demo-user ada"
	kvm_appliance_up=$kvm_host_command
	appliance_log=$kvm_host_share/$kvm_appliance_up.out
	wait_until 60 test -e "$appliance_log" && wait_until 180 appliance_is_up && appliance_runs || fail "'carrel up' did not come up: $(tail -n 5 "$appliance_log")"
	socket=$kvm_appliance_folder/run/broker.sock
	kvm_host_begin "exec python3 -B '$appliance_tools/relay.py' 10.0.2.15:${ports[2]} '$socket'"
	mkdir -p "$appliance_state/run" "$appliance_state/lib/broker"
	python3 -B "$appliance_tools/relay.py" "$appliance_state/run/broker.sock" "127.0.0.1:${ports[2]}" &
	kvm_appliance_relay=$!
	wait_until 60 kvm_appliance_is_reached || fail "the broker in the KVM host is not reached: $(carrel host list 2>&1)"
	appliance_inside "cat '$kvm_appliance_folder/lib/broker/tls.crt'" >"$appliance_state/lib/broker/tls.crt"
	(umask 077 && sed -n "s/.*has the password '\([^']*\)'.*/\1/p" "$appliance_log" | tr -d '\n' >"$TMPDIR/password.ada")
}

kvm_appliance_is_reached() {
	carrel host list >/dev/null 2>&1
}

# kvm_appliance_is_idle: no machine runs
kvm_appliance_is_idle() {
	[ -z "$(appliance_inside 'pidof carrel-vmm' || true)" ]
}

appliance_runs() {
	[ ! -e "$kvm_host_share/$kvm_appliance_up.code" ]
}

# appliance_inside SCRIPT [SECONDS]: runs it there, in the share
appliance_inside() {
	kvm_host_run "$@"
}

# appliance_stop: as a person ends it; nothing of it may run after that
appliance_stop() {
	local left
	# shellcheck disable=SC2016
	appliance_inside 'kill -TERM $(pidof carrel)' || fail "'carrel up' does not run any more"
	kvm_host_finish "$kvm_appliance_up" 180 >"$TMPDIR/up.log" || fail "'carrel up' ended with $?: $(tail -n 5 "$TMPDIR/up.log")"
	left=$(appliance_inside "pgrep -a 'carrel|passt'; find $kvm_appliance_folder/{run/desktops,lib/desktops,lib/staging} -mindepth 1")
	[ -z "$left" ] || fail "left behind: $left"
}

# appliance_tell: what helps after a failure
appliance_tell() {
	kvm_host_tell || true # the failure is another one
	tail -n 25 "$appliance_log"
}

# appliance_end: for traps
appliance_end() {
	screen_stop
	[ -z "$kvm_appliance_relay" ] || kill "$kvm_appliance_relay" 2>/dev/null || true
	kvm_host_stop 2>/dev/null
	rm -f "$TMPDIR/disk.img"
}
