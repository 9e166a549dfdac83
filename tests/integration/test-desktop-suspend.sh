#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-suspend.sh - a desktop is suspended, outlives hostd and the whole appliance, and its user finds it as it was
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh
. tests/lib/faults.sh

# ends what there is of the appliance, and starts it again on the same state, as after a start of the host
begin_anew() {
	kill -TERM "$appliance_pid"
	wait_until 120 appliance_has_ended || fail "'carrel up' does not end: $(tail -n 5 "$appliance_log")"
	wait "$appliance_pid" || fail "'carrel up' ended with $?"
	wait_until 10 appliance_is_gone || fail "left behind: $(appliance_describe_processes)"
	# as after a start of the host: nothing is known of a desktop but what lies in its folder
	find "$appliance_state/run" -mindepth 1 -delete
	appliance_restart
}

no_machine() {
	! faults_find_process "$desktop" qemu
}

has_clock() {
	clock=$(appliance_note "$desktop" clock) && [ -n "$clock" ]
}

viewer_begin 1
viewer_type_token
read -r session desktop < <(appliance_session ada)
machine=$(faults_find_process "$desktop" qemu)

carrel desktop suspend "$desktop" >/dev/null
appliance_wait office suspended 1 300
wait_until 30 no_machine || fail "its machine still runs: $machine"
wait_until 60 faults_is_told 'suspended' || fail "the viewer said: $(faults_notices ada)"
viewer_close
appliance_has office suspended 1 || fail "the viewer came back by itself: $(carrel desktop list)"
echo "it is suspended: $(du -sm "$appliance_state/lib/desktops/$desktop" | cut -f 1) MiB, $(
	carrel_json '(.desktops? // .)[] | .state' desktop list)"

faults_kill carrel-hostd
begin_anew
appliance_wait office suspended 1 60
[ "$(appliance_session ada)" = "$session $desktop" ] || fail "its session has ended: $(carrel session list)"
no_machine || fail "it runs"
echo "it has outlived hostd and the appliance"

resumed=$(date +%s)
viewer_log_in ada office
[ "$(appliance_session ada)" = "$session $desktop" ] || fail "it is another one: $(appliance_session ada)"
viewer_expect "$token" 120
echo "the token typed before is on the screen again"
screen_key Return
screen_type "date +%s >/run/carrel/notes/clock"
screen_key Return
viewer_settle
wait_until 120 has_clock || fail "the guest does not tell its time"
[ "$clock" -ge "$resumed" ] || fail "its clock stood still: $clock at $resumed"
echo "its clock is $((clock - resumed)) s later than its user's log-in"
viewer_close
# hostd was replaced for the note, and takes the desktop over as it finds it
appliance_wait office 'assigned|disconnected' 1 120

host=$(carrel_json '(.hosts? // .)[0].name' host list)
carrel host maintenance "$host" on >/dev/null
appliance_wait office suspended 1 300
carrel host maintenance "$host" off >/dev/null
appliance_wait office 'assigned|disconnected' 1 300
viewer_log_in ada office
viewer_expect "$token" 120
echo "it has outlived a maintenance of its host"
carrel session revoke "$session" >/dev/null
appliance_wait office ready 1
appliance_stop
