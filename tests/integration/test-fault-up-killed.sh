#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-fault-up-killed.sh - carrel up is killed with -9 while a user is at the desktop, and started again
#
# The desktop is adopted: it lives meanwhile, and the user comes back to it.
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh
. tests/lib/faults.sh

appliance_start
appliance_make_pool office 2 ada
faults_begin office
spare=$(appliance_desktops office ready)
spare_machine=$(faults_find_process "$spare" qemu)

services=()
for service in carrel-launch carrel-authd carrel-broker carrel-hostd carrel-gateway; do
	services+=("$(appliance_find_service "$service")")
done
kill -KILL "$appliance_pid"
wait "$appliance_pid" 2>/dev/null || true
all_ended() {
	! kill -0 "${services[@]}" 2>/dev/null
}
wait_until 30 all_ended || fail "services outlive 'carrel up'"
viewer_expect "$token" 60
faults_type_token
echo "without any service: the desktop lives and is on the screen"

appliance_restart
appliance_wait office active 1 60
appliance_wait office ready 1 60
[ "$(appliance_desktops office ready)" = "$spare" ] && [ "$(faults_find_process "$spare" qemu)" = "$spare_machine" ] ||
	fail "the free desktop '$spare' was not adopted: $(carrel desktop list)"
faults_expect_same "carrel up killed and started again"
viewer_close
appliance_wait office disconnected 1 60
viewer_log_in ada office
faults_expect_same "a new log-in after that"
appliance_stop
