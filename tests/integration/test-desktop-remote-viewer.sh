#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-remote-viewer.sh - stock remote-viewer opens the file of 'carrel session vv', once, and shows the same desktop
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh
. tests/lib/client.sh

remote_shows() {
	screen_shows "$1" "$window"
}

remote_expect() {
	wait_until "$2" remote_shows "$1" || { viewer_keep_picture; fail "$screen_read"; }
}

viewer_begin 1
viewer_type_token
viewer_close
appliance_wait office disconnected 1

read -r session _ < <(appliance_session ada)
client_log_in ada
client_get_vv ada "$session" "$TMPDIR/desktop.vv"
[ "$(stat -c %a "$TMPDIR/desktop.vv")" = 600 ] || fail "others may read the connection file"
cp "$TMPDIR/desktop.vv" "$TMPDIR/again.vv"
client_remote_viewer "$TMPDIR/desktop.vv"
wait_until 60 client_find_window "$(client_read_vv "$TMPDIR/again.vv" title)" >/dev/null ||
	fail "remote-viewer does not open the desktop: $(screen_titles)$(tail -n 3 "$TMPDIR/remote.log")"
window=$(client_find_window "$(client_read_vv "$TMPDIR/again.vv" title)")
remote_expect "$token" 60
[ ! -e "$TMPDIR/desktop.vv" ] || fail "remote-viewer has not deleted the connection file"
echo "remote-viewer shows what was typed in carrel-viewer, and has deleted its file"

screen_focus "$window" || fail "remote-viewer's window does not get the keyboard"
more=$(screen_new_token)
screen_key ctrl+c
screen_type "echo $more | tr 0-9a-f 1-9a-f0"
screen_key Return
remote_expect "$(tr 0-9a-f 1-9a-f0 <<<"$more")" 60
echo "and takes what is typed"

screen_end "$client_pid"
appliance_wait office disconnected 1
: >"$TMPDIR/remote.log"
client_remote_viewer "$TMPDIR/again.vv"
wait_until 60 grep -q 'HTTP proxy connection not allowed' "$TMPDIR/remote.log" ||
	fail "remote-viewer is not refused with a used file: $(tail -n 3 "$TMPDIR/remote.log")"
client_find_window >/dev/null || fail "remote-viewer says nothing of it"
grep -q "showed a ticket that is used" "$appliance_log" || fail "the refusal is not in the log"
[ -n "$(appliance_desktops office disconnected)" ] || fail "somebody is connected: $(carrel desktop list)"
echo "with a copy of the file it is refused, and says that it cannot connect"
appliance_stop
