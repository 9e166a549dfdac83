#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-fault-services-killed.sh - kill -9 of each service in turn, while a user types: the desktop and its viewer go on
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh
. tests/lib/faults.sh

appliance_start
appliance_make_pool office 2 ada
faults_begin office

for service in carrel-launch carrel-authd carrel-gateway carrel-broker carrel-hostd; do
	connections=$(faults_connections)
	faults_kill "$service"
	faults_expect_same "$service killed"
	[ "$(faults_connections)" = "$connections" ] || fail "the viewer had to connect again when '$service' was killed"
done

# hostd is back when the desktop is reported as it is
appliance_wait office active 1 60
viewer_close
appliance_wait office disconnected 1 60
viewer_log_in ada office
faults_expect_same "after all of them, a new log-in"
appliance_stop
