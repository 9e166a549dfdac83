#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-appliance-stops.sh - carrel up starts everything, a pool gets its desktops, and after SIGTERM nothing is left
set -eu
. tests/lib/appliance.sh

appliance_start
appliance_make_pool office 2 ada
started=$SECONDS
carrel desktop list
for service in carrel-launch carrel-authd carrel-broker carrel-hostd carrel-gateway; do
	appliance_find_service "$service" >/dev/null || fail "$service does not run"
done

echo "a second carrel up on the same folder is refused"
code=0
said=$("$appliance_root/run" carrel up --state "$appliance_state" --config "$TMPDIR/carrel.conf" 2>&1) || code=$?
[ "$code" != 0 ] || fail "it was not refused"
grep -q "another 'carrel up' (pid $appliance_pid) runs" <<<"$said" || fail "it does not say why: $said"

echo "SIGTERM"
appliance_stop
echo "ended $((SECONDS - started)) s later"
