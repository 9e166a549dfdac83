#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-login.sh - a user logs in by typing into the viewer, and gets a desktop that is forked for him: none is ready
#
# A token typed into xterm is read back from the pixels, and from the file that the shell wrote, through the agent. The pool keeps no
# free desktop; in a second one the broker chooses how many, and its user comes before any of them is ready.
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh
. tests/lib/client.sh

has_hostd() {
	hostd=$(appliance_find_service carrel-hostd)
}

# expect_forked SESSION: its desktop was made after its user had come
expect_forked() {
	[ "$(carrel_json '[.steps[] | select(.step == "fork") | .warm] | join(" ")' session timing "$1")" = false ] ||
		fail "the desktop was not forked for its user: $(carrel session timing "$1")"
}

appliance_start
appliance_create_pool office 1 --spare 0 --user ada
screen_start
[ -z "$(appliance_desktops office '.*')" ] || fail "a pool without spare desktops has one: $(carrel desktop list)"
viewer_log_in ada office
appliance_wait office active 1
read -r session desktop < <(appliance_session ada)
expect_forked "$session"
echo "the pool had no desktop, one was forked for the user who came"

viewer_open_terminal
token=$(screen_new_token)
screen_type "echo $token | tr 0-9a-f 1-9a-f0 | tee /run/carrel/notes/token"
viewer_expect "$token" 60
echo "the token typed was read from the viewer's pixels"

screen_key Return
answer=$(tr 0-9a-f 1-9a-f0 <<<"$token")
viewer_expect "$answer" 60
note=$(appliance_note "$desktop" token)
[ "$note" = "$answer" ] || fail "the note is '$note', not '$answer'"
echo "and what the shell made of it from the pixels and from the agent's notes"

appliance_wait office active 1
viewer_type_token
echo "the viewer stays connected although hostd was replaced"

# It keeps all of them while nobody knows how long one takes; how long ada's took is known.
client_log_in ada
chosen=$(carrel_json '[.steps[] | select(.step | IN("fork", "agent", "identify")) | .ms] | add |
	if . <= 300 then 0 else [((. + 999) / 1000 | floor), 9] | min end' session timing "$session")
wait_until 60 has_hostd || fail "carrel-hostd does not run"
# so that nothing is ready before ada has come
kill -STOP "$hostd"
appliance_create_pool lab 9 --spare auto --user ada
[ "$(carrel_json .spare pool show lab)" = "$chosen" ] || fail "the broker does not choose $chosen: $(carrel pool show lab; carrel session timing "$session")"
[ "$(appliance_desktops lab forking | wc -l)" = "$chosen" ] || fail "it does not want $chosen: $(carrel desktop list)"
client_carrel ada session assign lab --json >"$TMPDIR/assigned"
[ "$(jq -r .state "$TMPDIR/assigned")" = forking ] || fail "a desktop was ready before its user came: $(cat "$TMPDIR/assigned")"
# nobody looks at the others
carrel pool set lab --size 1 >/dev/null
kill -CONT "$hostd"
appliance_wait lab assigned 1
[ "$(appliance_desktops lab assigned)" = "$(jq -r .desktop "$TMPDIR/assigned")" ] || fail "it is another desktop: $(carrel desktop list)"
expect_forked "$(jq -r .session "$TMPDIR/assigned")"
echo "where the broker keeps $chosen of 9 ready and none is yet, the user waits for one and gets it"
