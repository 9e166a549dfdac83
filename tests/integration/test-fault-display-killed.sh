#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-fault-display-killed.sh - kill -9 of a display, and of one that hostd and launch know from before their own end
#
# The desktop lives, and the viewer comes back by itself.
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh
. tests/lib/faults.sh

# kill_display WHAT: the viewer shows the desktop again, from another display
kill_display() {
	local before connections
	before=$(faults_find_process "$desktop" display) || fail "$1: no display is recorded"
	connections=$(faults_connections)
	kill -KILL "$before"
	wait_until 60 faults_has_connected "$connections" || {
		viewer_keep_picture
		fail "$1: the viewer is '$(viewer_state)', not connected again; it said: $(faults_notices ada)"
	}
	[ "$(faults_find_process "$desktop" display)" != "$before" ] || fail "$1: it is the display that was killed"
	viewer_settle
	faults_expect_same "$1"
	appliance_wait office active 1 60
}

appliance_start
appliance_make_pool office 1 ada
faults_begin office
kill_display "display killed"

connections=$(faults_connections)
faults_kill carrel-hostd carrel-launch
faults_expect_same "hostd and launch killed together"
[ "$(faults_connections)" = "$connections" ] || fail "the viewer had to connect again when hostd and launch were killed"
appliance_wait office active 1 60
kill_display "display killed after hostd and launch"
appliance_stop
