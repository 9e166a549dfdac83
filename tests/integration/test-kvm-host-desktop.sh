#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-kvm-host-desktop.sh - on real KVM the appliance gives a Debian desktop of engine kvm to a user who logs in
#
# One start of the KVM host. The desktops are forks of the running machine that kvm_sealed.sh has sealed: a token typed is
# read from the pixels, and again after the desktop was suspended, moved to another host, resumed there, and all the way back;
# size and clipboard follow the viewer, fio and stress-ng work in the guest, and carrel-vmm is killed under that load. The
# next desktop is rebooted and then switched off.
# timeout-minutes: 20
set -eu
. tests/lib/kvm_appliance.sh
. tests/lib/kvm_second_host.sh
. tests/lib/viewer.sh
. tests/lib/resize.sh
. tests/lib/client.sh
. tests/lib/clipboard.sh
. tests/lib/faults.sh
. tests/lib/vnc.sh

boot_seconds=480 # on a quiet machine it takes 100
own_max_kib=10240
own_after=5
own_seconds=90
folder=$TMPDIR/outside

tell() {
	echo "$SECONDS s: $*"
}

# outside_start: what the desktop reaches at the KVM host's router, which is this machine's loopback
outside_start() {
	local base
	mkdir -p "$folder"
	head -c 1048576 /dev/urandom >"$folder/down"
	outside_pack_tools "$folder/tools"
	for base in $(shuf -i 1800-5000 -n 20); do
		base=$((base * 6))
		screen_run python3 -B tests/lib/outside.py 127.0.0.1 "$folder" "$base" 2>/dev/null
		wait_until 10 outside_listens && break
		screen_end "$screen_pid"
	done
	outside_listens || fail "the server outside does not listen"
	sed -e "s/@OUTSIDE@/10.0.2.2/g; s/@BASE@/$base/g" tests/lib/guest_work.sh >"$folder/script"
	script="</dev/tcp/10.0.2.2/$base"
}

# outside_pack_tools FILE: fio and stress-ng, which a desktop does not have, with all libraries that they want
outside_pack_tools() {
	local paths
	mapfile -t paths < <(type -P fio stress-ng && ldd "$(type -P fio)" "$(type -P stress-ng)" | grep -o '/[^ ]*[^ :]' | sort -u)
	tar -chf "$1" --transform 's|.*/||' --absolute-names "${paths[@]}"
}

outside_listens() {
	test -e "$folder/listens" || ! kill -0 "$screen_pid" 2>/dev/null
}

# wait_heard TEXT SECONDS: a line that the desktop has sent, a regular expression
heard() {
	grep -qxE "$1" "$folder/said" 2>/dev/null
}

wait_heard() {
	wait_until "$2" heard "$1" ||
		{ viewer_keep_picture; fail "'$1' was not heard: $(tail -n 12 "$folder/said" 2>&1)"; }
}

# wait_work TEXT SECONDS: the same, of work that may fail
work_is_over() {
	heard "$1|.* fails: .*"
}

wait_work() {
	wait_until "$2" work_is_over "$1" && heard "$1" || wait_heard "$1" 0
}

overlay_mib() {
	appliance_inside "du -m '$kvm_appliance_folder/lib/desktops/$desktop/overlay.qcow2' | cut -f 1"
}

overlay_is_below() {
	[ "$(overlay_mib)" -lt "$1" ]
}

logged_in_again() {
	[ "$(grep -c "desktop=$desktop step=logged_in" "$appliance_log")" = 2 ]
}

guest_reboots() {
	grep -q "desktop=$desktop: its guest reboots" "$appliance_log"
}

desktop_is_gone() {
	[ -z "$(appliance_inside "ls '$kvm_appliance_folder/run/desktops' | grep '$1'" || true)" ]
}

session_is_closed() {
	! appliance_session ada >/dev/null
}

# suspend HOST: what ada has there; her viewer says so
suspend() {
	carrel desktop suspend "$desktop" >/dev/null
	second_expect "$1" suspended 300
	wait_until 60 faults_is_told 'suspended' || fail "the viewer said: $(faults_notices ada)"
	viewer_focus
	viewer_close
}

# move HOST
move() {
	carrel desktop move "$desktop" "$1" >/dev/null
	second_expect "$1" suspended 300
}

# come_back: ada logs in, and her desktop is as she left it
come_back() {
	viewer_log_in ada office
	appliance_wait office active 1
	viewer_expect "$token" 120
	faults_type_token
}

# expect_small: the desktop that waits for a user has little memory of its own, at once or when it has given back what it has freed:
# 3.7 MiB were measured when it had its identity, 9.2 MiB 20 seconds later, 6.6 MiB after 65 and 6.8 MiB after 185. With processes that
# were sealed when they were about to end it was 10.5, 14.3, 11.6 and 12.1 MiB. What they write when they end is there after own_after
expect_small() {
	local kib=
	sleep "$own_after"
	wait_until "$own_seconds" is_small || fail "after $own_seconds s a desktop without a user has $kib KiB of its own still"
	tell "it has $kib KiB of its own"
}

# is_small: sets $kib
is_small() {
	kib=$(appliance_inside "
		set -- \$(pidof carrel-vmm)
		[ \$# = 1 ] || { echo \"\$# machines run, not one: \$*\" && exit 1; }
		exec awk '/^Pss_Anon:/ { print \$2 }' \"/proc/\$1/smaps_rollup\"") && [[ $kib =~ ^[0-9]+$ ]] ||
		fail "what memory of its own a desktop has is not known: $kib"
	[ "$kib" -lt "$own_max_kib" ]
}

# fork_milliseconds: of all desktops that were forked, in order of their length
fork_milliseconds() {
	sed -n 's/.*step=forked ms=\([0-9]*\).*/\1/p' "$appliance_log" | sort -n | tr '\n' ' '
}

outside_start
second_prepare
appliance_start "exchange = $second_exchange"
tell "the appliance runs in the KVM host"
wait_until 60 appliance_has_template || fail "hostd does not report the template: $(carrel template list 2>&1)"
carrel pool create office --template "$appliance_template" --size 1 --user ada --network passt >/dev/null
appliance_wait office ready 1 "$boot_seconds"
tell "a desktop is ready, forked in $(fork_milliseconds)ms"
screen_start
viewer_log_in ada office
appliance_wait office active 1
viewer_open_terminal
faults_type_token
tell "the token typed was read from the viewer's pixels, which came over SPICE"

# what follows works on the resumed machine
second_start
tell "there is a second host"
read -r _ desktop < <(appliance_session ada)
before=$SECONDS
suspend testhost
wait_until 60 kvm_appliance_is_idle || fail "a machine runs on"
own=$(appliance_inside "du -sm '$kvm_appliance_folder/lib/desktops/$desktop' | cut -f 1")
tell "suspended, with $own MiB of its own"
move "$second_name"
come_back
appliance_inside "grep -q ^vmm= '$second_state/run/desktops/$desktop/record'" || fail "its machine is not on the second host"
tell "its user's log-in resumed it on the second host: the old token is on the screen, and a new one was read"
suspend "$second_name"
move testhost
second_stop
left=$(appliance_inside "ls -A '$second_exchange'")
[ -z "$left" ] || fail "left in the exchange folder: $left"
come_back
tell "suspended, moved back and resumed, it is as it was on the second host"

resize_begin
resize_to 840 600 840
resize_to 1200 800 1200
tell "the desktop follows the viewer's size"

token=$(screen_new_token)
clipboard_copy < <(printf '%s Grüße 12 €\n' "$token")
guest_expect_hash
token=$(screen_new_token)
screen_type "printf $token | xclip -selection clipboard"
screen_key Return
clipboard_wait "$token"
tell "the clipboard goes both ways"

viewer_focus
screen_type ". <(cat $script)"
screen_key Return
wait_heard 'address .*' 120
heard 'address 10.0.2.15/24 10.0.2.2 dhcp' || fail "no lease: $(cat "$folder/said")"
wait_heard "got $(sha256sum <"$folder/down" | cut -c 1-64)" 120
wait_heard 'processors 2' 60
tell "it has a lease, and a megabyte came as it was sent"
cmp "$folder/up.1" "$folder/down" || fail "the megabyte that it sent came otherwise"
wait_heard 'tools' 240
tell "the megabyte sent is the same, and it has fetched fio and stress-ng"
wait_work 'disk verified' 240
before=$(overlay_mib)
echo trim >"$folder/script"
wait_work 'trimmed' 120
wait_until 60 overlay_is_below $((before - 24)) || fail "32 MiB were trimmed, its overlay has $(overlay_mib) MiB after $before"
tell "fio has written, read back and verified 32 MiB, and what it trims leaves the overlay"
wait_work 'stressed' 240
tell "stress-ng found no error on two processors"
# it has scrolled away
viewer_calibrate
faults_type_token
tell "under its load the desktop still answers its user"

client_log_in ada
read -r session _ < <(appliance_session ada)
vnc_open ada "$session"
vnc_type_token
vnc_close
! heard '.* fails: .*' || fail "under load: $(grep fails "$folder/said")"
tell "a token typed over VNC was read from the pixels that came over VNC"
viewer_focus
viewer_close
viewer_log_in ada office
appliance_wait office active 1

appliance_inside 'kill -KILL $(pidof carrel-vmm)' || fail "carrel-vmm does not run"
wait_until 120 faults_is_told 'desktop has ended' || fail "the viewer does not say that the desktop has ended: $(faults_notices ada)"
wait_until 60 session_is_closed || fail "ada's session is not closed: $(carrel session list)"
reason=$(carrel_json "(.desktops? // .)[] | select(.id == \"$desktop\") | .error" desktop list)
grep -q 'its machine ended by itself' <<<"$reason" || fail "the reason told is '$reason'"
tell "carrel-vmm killed under load: '$reason'"
appliance_wait office ready 1 "$boot_seconds"
harm=$(kvm_host_harm) || fail "what the host has suffered is not known: $harm"
[ -z "$harm" ] || fail "the host suffered: $harm"
tell "the host is unharmed, and the next desktop is ready"
expect_small

viewer_focus
viewer_close
viewer_log_in ada office
appliance_wait office active 1
read -r _ now < <(appliance_session ada)
[ "$now" != "$desktop" ] || fail "ada got the desktop that had died"
desktop=$now

# by the keys that Linux takes for it, at once: what the guest was told is forgotten
viewer_focus
xdotool keydown alt keydown Print keyup Print key b keyup alt
wait_until 60 guest_reboots || { viewer_keep_picture; fail "the guest does not reboot by its keys: $(carrel desktop list)"; }
wait_until "$boot_seconds" logged_in_again || { viewer_keep_picture; fail "after a reboot its user is not logged in: $(carrel desktop list)"; }
viewer_settle
viewer_open_terminal
faults_type_token
tell "after a reboot it is the same machine and the same session, and a new token was read"

carrel desktop powerdown "$now" >/dev/null
wait_until 120 viewer_was_told 'Your session on the desktop has ended' || fail "the viewer does not say that the session has ended"
wait_until 120 desktop_is_gone "$now" || fail "'$now' is not replaced after its power button: $(carrel desktop list)"
tell "the power button ends the next one in order"
viewer_focus
viewer_close
tell "its desktops were forked in $(fork_milliseconds)ms"
appliance_stop
kvm_host_run sync
kvm_host_stop
changed=$(kvm_host_list_changed "/lib/templates/$appliance_template/1" "$(bash tests/lib/kvm_sealed.sh)/manifest.json") ||
	fail "which files of its template a fork has changed is not known: $changed"
[ -z "$changed" ] || fail "a fork has changed files of its template: $changed"
tell "after all that the version's files are as they were sealed"
