#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-fault-display-stopped.sh - the display stands still (SIGSTOP) for a minute while the guest draws
#
# Each display that hostd starts instead is stopped, too. The guest goes on, QEMU's memory stays bounded, and afterwards
# the viewer shows the desktop again by itself.
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh
. tests/lib/faults.sh

stop_s=60
peak_max_kib=$((500 * 1024))  # more than before; a display that is not killed costs 120 MB a second
after_max_kib=$((200 * 1024))
longest_pause_s=8

appliance_start
appliance_make_pool office 1 ada
faults_begin office
# the longest time between two looks at the clock tells that the guest stood still; it is a shell that draws meanwhile
screen_type 'm=0; l=$(date +%s); while :; do t=$(date +%s); date; [ $((t-l)) -le $m ] || m=$((t-l)); l=$t; done'
screen_key Return
screen_shot "$TMPDIR/before.xwd"
wait_until 60 screen_changed "$TMPDIR/before.xwd" || fail "the guest does not draw"

base=$(faults_read_kib "$machine" VmRSS)
peak=$base stopped=0 last=
end=$((SECONDS + stop_s))
# count_connections: as long as the last one that was stopped is there
count_connections() {
	kill -0 "$last" 2>/dev/null && connections=$(faults_connections)
}
while [ "$SECONDS" -lt "$end" ]; do
	display=$(faults_find_process "$desktop" display) || display=
	if [ -n "$display" ] && [ "$display" != "$last" ] && grep -q carrel-display "/proc/$display/comm" 2>/dev/null; then
		kill -STOP "$display" 2>/dev/null && stopped=$((stopped + 1))
		last=$display
	fi
	now=$(faults_read_kib "$machine" VmRSS)
	[ -n "$now" ] || fail "the desktop's QEMU has ended"
	[ "$now" -le "$peak" ] || peak=$now
	count_connections || true
	sleep 0.1
done
# a viewer that has its desktop from a display that is stopped is no answer yet: keys would be lost with that display
stopped_is_gone() {
	! count_connections
}
wait_until 60 stopped_is_gone || fail "hostd does not end the display that was stopped last"
echo "$stopped displays were stopped within $stop_s s"
echo "QEMU's memory (RSS): $((base / 1024)) MiB before, $((peak / 1024)) MiB at most"
[ "$stopped" -ge 2 ] || fail "hostd did not end the display that was stopped"

wait_until 120 faults_has_connected "$connections" || {
	viewer_keep_picture
	fail "the viewer is '$(viewer_state)', not connected again; it said: $(faults_notices ada)"
}
has_shrunk() {
	after=$(faults_read_kib "$machine" VmRSS)
	[ "$after" -le $((base + after_max_kib)) ]
}
wait_until 30 has_shrunk || true
echo "$((after / 1024)) MiB after"
[ "$peak" -le $((base + peak_max_kib)) ] || fail "QEMU's memory grew by $(((peak - base) / 1024)) MiB"
[ "$after" -le $((base + after_max_kib)) ] || fail "QEMU keeps $(((after - base) / 1024)) MiB"

viewer_focus
screen_key ctrl+c
viewer_settle
viewer_calibrate
token=$(screen_new_token)
# the answer is in other letters than what is typed
screen_type "[ \$m -le $longest_pause_s ] && echo $token | tr 0-9a-f 1-9a-f0"
screen_key Return
viewer_expect "$(tr 0-9a-f 1-9a-f0 <<<"$token")" 60
echo "the guest never paused for more than $longest_pause_s s"
[ "$(faults_find_process "$desktop" qemu)" = "$machine" ] || fail "the desktop's QEMU is another one or none"
appliance_stop
