#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-takeover.sh - a second client of a session gets its display; the first says so and does not take it back by itself
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh
. tests/lib/client.sh

count_clients() {
	grep -c "session=$session .*: a client from .* comes in" "$appliance_log"
}

is_shown_by_remote() {
	client_find_window "^$desktop" >/dev/null && [ "$(count_clients)" = 2 ] && [ -n "$(appliance_desktops office active)" ]
}

remote_has_ended() {
	! client_find_window "^$desktop" >/dev/null
}

appliance_start
appliance_make_pool office 1 ada
screen_start
viewer_log_in ada office
read -r session desktop < <(appliance_session ada)
client_log_in ada
client_get_vv ada "$session" "$TMPDIR/desktop.vv"
client_remote_viewer "$TMPDIR/desktop.vv"
viewer_wait choosing 60
viewer_was_told 'Your desktop was opened in another viewer' || fail "the viewer does not say where the desktop went"
wait_until 60 is_shown_by_remote || fail "remote-viewer does not have the desktop: $(tail -n 3 "$appliance_log")"
viewer_settle
is_shown_by_remote && viewer_is choosing || fail "the viewer took the desktop back by itself"
[ "$(appliance_session ada)" = "$session $desktop" ] || fail "it is another session"
echo "remote-viewer has the desktop, carrel-viewer says so and leaves it there"

viewer_focus
screen_key Return
viewer_wait connected 60
wait_until 60 remote_has_ended || fail "remote-viewer still shows the desktop"
[ "$(appliance_session ada)" = "$session $desktop" ] || fail "it is another session"
echo "chosen there it comes back to carrel-viewer"
appliance_stop
