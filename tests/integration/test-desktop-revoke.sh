#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-revoke.sh - an operator ends sessions: the picture is gone within a second, and the viewer says why
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh

# Whoever had the picture has it no more.
is_disconnected() {
	! viewer_is connected
}

appliance_start
appliance_make_pool office 1 ada
screen_start
viewer_log_in ada office
read -r session desktop < <(appliance_session ada)
carrel session revoke "$session" >/dev/null
wait_until 5 is_disconnected || fail "the viewer is still connected"
viewer_wait choosing 60
viewer_was_told 'Your session on the desktop has ended' || fail "the viewer does not say that the session has ended"
appliance_wait office ready 1
[ "$(appliance_desktops office ready)" != "$desktop" ] || fail "the desktop of the session is there again"
echo "a session is revoked: its user is told, still logged in, and the desktop is replaced"

viewer_close
viewer_log_in ada office
carrel session revoke --user ada >/dev/null
viewer_wait idle 60
viewer_was_told 'You were logged out' || fail "the viewer does not say that its user was logged out"
! appliance_session ada >/dev/null || fail "there is a session: $(carrel session list)"
echo "all of a user is revoked: the viewer is logged out and says so"
appliance_stop
