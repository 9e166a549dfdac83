#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-second-user.sh - a second user gets another desktop and sees nothing of the first one's
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh
. tests/lib/api.sh

appliance_start
appliance_add_user bob
appliance_make_pool office 2 ada bob
screen_start
viewer_log_in ada office
viewer_open_terminal
token=$(screen_new_token)
screen_type "echo $token | tee ~/secret /tmp/secret /dev/shm/secret"
screen_key Return
viewer_expect "$token" 60
viewer_close

viewer_log_in bob office
read -r session_ada desktop_ada < <(appliance_session ada)
read -r session_bob desktop_bob < <(appliance_session bob)
[ "$session_ada" != "$session_bob" ] && [ "$desktop_ada" != "$desktop_bob" ] ||
	fail "both have the same: $session_ada $desktop_ada"
viewer_open_terminal
viewer_shows "$token" && fail "ada's token is on bob's screen"
# everything that may be there, and then the mark; in other letters, so that the command itself is no answer
mark=$(screen_new_token)
screen_type "(id -un | sha256sum | cut -c 1-16; cat /home/*/secret /tmp/secret /dev/shm/secret; echo $mark) 2>/dev/null "
screen_type "| tr 0-9a-f 1-9a-f0"
screen_key Return
viewer_expect "$(tr 0-9a-f 1-9a-f0 <<<"$mark")" 60
viewer_shows "$(echo bob | sha256sum | cut -c 1-16 | tr 0-9a-f 1-9a-f0)" || fail "it is not bob who works there"
viewer_shows "$(tr 0-9a-f 1-9a-f0 <<<"$token")" && fail "ada's file is on bob's desktop"
echo "nothing of ada's is on bob's desktop"

has_note() {
	note=$(appliance_note "$desktop_bob" access) && grep -qx end <<<"$note"
}

screen_type "export LC_ALL=C; (xhost; cat /run/carrel-x/auth; env | grep XAUTH; echo end) >/run/carrel/notes/access 2>&1"
screen_key Return
wait_until 60 has_note || { viewer_keep_picture; fail "bob's desktop does not tell who may use its screen"; }
[ "$(grep -v '^access control enabled' <<<"$note" | LC_ALL=C sort | xargs)" = \
	'SI:localuser:bob SI:localuser:root cat: /run/carrel-x/auth: No such file or directory end' ] ||
	fail "bob's screen is not only his and root's: $note"
echo "his screen is his and root's, by their uids and without a cookie that both desktops would have"

api_log_in bob
[ "$(api_call bob GET /api/v1/sessions)" = 200 ] || fail "bob cannot list his sessions: $api_answer"
grep -q "$session_bob" "$api_answer" || fail "bob does not see his own session: $(cat "$api_answer")"
! grep -q "$session_ada" "$api_answer" || fail "bob sees ada's session: $(cat "$api_answer")"
refused() {
	local status
	status=$(api_call bob "$@")
	[[ $status =~ ^(403|404)$ ]] || fail "'$*' by bob is answered with $status: $(cat "$api_answer")"
}

refused GET "/api/v1/sessions/$session_ada"
refused GET "/api/v1/sessions/$session_ada/timing"
refused POST "/api/v1/sessions/$session_ada/ticket" '{"protocol": "spice"}'
refused DELETE "/api/v1/sessions/$session_ada"
refused GET "/api/v1/desktops/$desktop_ada"
[ "$(appliance_session ada)" = "$session_ada $desktop_ada" ] || fail "ada's session has changed"
echo "nor does the broker let him near her session"
