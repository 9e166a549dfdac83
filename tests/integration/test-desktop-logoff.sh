#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-logoff.sh - after a log-off in the guest the desktop is gone, and the next one has none of its files
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh

session_is_over() {
	! appliance_session ada | grep -q "^$session "
}

desktop_is_gone() {
	[ -z "$(carrel_json "(.desktops? // .)[] | select(.id == \"$desktop\" and .state != \"gone\") | .id" desktop list)" ] &&
		[ ! -e "$appliance_state/run/desktops/$desktop" ] && [ ! -e "$appliance_state/lib/desktops/$desktop" ]
}

viewer_begin 1
token=$(screen_new_token)
screen_type "echo $token | tee ~/left /tmp/left"
screen_key Return
viewer_expect "$token" 60
read -r session desktop < <(appliance_session ada)

viewer_choose_from_menu 3
wait_until 120 session_is_over || fail "the session did not end: $(carrel session list)"
wait_until 120 desktop_is_gone || fail "the desktop is still there: $(carrel desktop list)"
appliance_wait office ready 1
echo "the session is over, the desktop is replaced"
viewer_close

viewer_log_in ada office
read -r session_now desktop_now < <(appliance_session ada)
[ "$session_now" != "$session" ] && [ "$desktop_now" != "$desktop" ] || fail "it is the same: $session_now $desktop_now"
viewer_open_terminal
mark=$(screen_new_token)
screen_type "(cat ~/left /tmp/left || echo $mark) 2>/dev/null | tr 0-9a-f 1-9a-f0"
screen_key Return
viewer_expect "$(tr 0-9a-f 1-9a-f0 <<<"$mark")" 60
viewer_shows "$(tr 0-9a-f 1-9a-f0 <<<"$token")" && fail "the file of the first session is there"
echo "the new desktop has none of the files"
