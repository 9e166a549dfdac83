#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-ticket-refusals.sh - a ticket that is missing, wrong, used, expired or another's shows nobody anything
set -eu
. tests/lib/appliance.sh
. tests/lib/client.sh

# refused TICKET STATUS [WHY]: at the CONNECT; one line in the gateway's log, and one of hostd's, when hostd decides
refused() {
	local status new
	log_start=$(wc -l <"$appliance_log")
	status=$(client_connect "$1")
	[ "$status" = "$2" ] || fail "the CONNECT that ought to get '$2' ${3:-} is answered '$status'"
	[ -z "${3:-}" ] || wait_until 10 log_has "ticket that is $3" || fail "the log does not say '$3': $(log_read)"
	wait_until 10 log_has "was answered '$2'" || fail "the gateway's log does not say '$2': $(log_read)"
	new=$(log_read | grep -c -E "was answered|ticket that is")
	[ "$new" = $(($# - 1)) ] || fail "$new lines in the log, not $(($# - 1)): $(log_read)"
}

log_read() {
	tail -n +$((log_start + 1)) "$appliance_log"
}

log_has() {
	log_read | grep -qF "$1"
}

is_used() {
	[ "$(client_connect "$ticket")" = '403 Forbidden' ]
}

is_expired() {
	[ "$SECONDS" -gt "$expires_at" ]
}

# no_ticket USER SESSION: its connection file is not given
no_ticket() {
	local code=0
	client_carrel "$1" session vv "$2" --output "$TMPDIR/no.vv" 2>"$TMPDIR/err" || code=$?
	[ "$code" = 4 ] && [ "$(wc -l <"$TMPDIR/err")" = 1 ] && grep -q 'no open session' "$TMPDIR/err" ||
		fail "'carrel session vv' by '$1' ends with $code: $(cat "$TMPDIR/err")"
	[ ! -e "$TMPDIR/no.vv" ] || fail "a connection file was written for '$1'"
}

# get_ticket USER SESSION: sets $ticket
get_ticket() {
	client_get_vv "$1" "$2" "$TMPDIR/$1.vv"
	ticket=$(client_read_vv "$TMPDIR/$1.vv" host)
	[ ${#ticket} = 52 ] || fail "'$TMPDIR/$1.vv' holds no ticket"
	cat "$TMPDIR/$1.vv" >>"$TMPDIR/all.vv"
}

appliance_start
appliance_add_user bob
appliance_make_pool office 2 ada bob
client_log_in ada
client_log_in bob
client_carrel ada session assign office >/dev/null
client_carrel bob session assign office >/dev/null
appliance_wait office assigned 2
read -r session_ada _ < <(appliance_session ada)
read -r session_bob _ < <(appliance_session bob)
get_ticket ada "$session_ada"
expires=$ticket expires_at=$((SECONDS + 30))

refused '' '403 Forbidden'
refused none '403 Forbidden'
refused "$(head -c 40 /dev/urandom | base32 | tr A-Z a-z | tr -d '\n=' | cut -c 1-52)" '403 Forbidden' unknown
refused "${expires%?}$(tr 'a-z2-7' 'b-z2-7a' <<<"${expires: -1}")" '403 Forbidden' unknown
refused 'two words' '400 Bad Request'
refused "$(head -c 5000 /dev/zero | tr '\0' a)" '431 Request Header Fields Too Large'
echo "missing, wrong and malformed tickets are refused"

no_ticket bob "$session_ada"
no_ticket ada "$session_bob"
no_ticket ada s-aaaaaaaaaaaaaaaaaaaa
echo "nobody gets a ticket for somebody else's session"

get_ticket bob "$session_bob"
[ "$(client_connect "$ticket")" = '200 Connection established' ] || fail "a good ticket is refused"
# its other channels may come for 10 s; but no client ever spoke
wait_until 30 is_used || fail "a ticket is good for more than one client"
refused "$ticket" '403 Forbidden' used
get_ticket bob "$session_bob"
client_carrel bob session revoke "$session_bob"
refused "$ticket" '403 Forbidden' void
no_ticket bob "$session_bob"
echo "so are used ones, and those of a session that has ended"

wait_until 60 is_expired
refused "$expires" '403 Forbidden' expired
[ -n "$(appliance_desktops office assigned)" ] || fail "somebody was connected: $(carrel desktop list)"
! grep -q "desktop=$(appliance_desktops office assigned) .*comes in" "$appliance_log" || fail "somebody came in"
echo "and expired ones"

grep -E '^(host|password)=' "$TMPDIR/all.vv" | sed 's/^[a-z]*=//' >"$TMPDIR/secrets"
! grep -qFf "$TMPDIR/secrets" "$appliance_log" || fail "a ticket or a password is in the log"
appliance_stop
