#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-login.sh - a user logs in by typing into the viewer; a token typed into xterm is read back from the pixels
#
# and from the file that the shell wrote, through the agent.
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh

appliance_start
appliance_make_pool office 1 ada
screen_start
viewer_log_in ada office
appliance_wait office active 1
viewer_open_terminal
token=$(screen_new_token)
screen_type "echo $token | tr 0-9a-f 1-9a-f0 | tee /run/carrel/notes/token"
viewer_expect "$token" 60
echo "the token typed was read from the viewer's pixels"

screen_key Return
answer=$(tr 0-9a-f 1-9a-f0 <<<"$token")
viewer_expect "$answer" 60
read -r _ desktop < <(appliance_session ada)
note=$(appliance_note "$desktop" token)
[ "$note" = "$answer" ] || fail "the note is '$note', not '$answer'"
echo "and what the shell made of it from the pixels and from the agent's notes"

appliance_wait office active 1
viewer_type_token
echo "the viewer stays connected although hostd was replaced"
