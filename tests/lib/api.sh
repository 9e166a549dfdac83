# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# api.sh - the broker's API as a client that is none of ours calls it (sourced after appliance.sh; curl and jq)

api_answer=$TMPDIR/api.answer

# api_send OPTION...: one request; the answer's body goes to $api_answer; prints the status
api_send() {
	curl --silent --show-error --cacert "$appliance_state/lib/broker/tls.crt" --max-time 60 \
		--header 'Content-Type: application/json' --output "$api_answer" --write-out '%{http_code}' "$@"
}

# api_log_in USER: its token goes to a file that curl reads; secrets are never arguments
api_log_in() {
	local id
	[ "$(jq -n --arg user "$1" '{$user}' | api_send --data @- "$appliance_url/api/v1/login")" = 200 ] ||
		fail "no log-in for '$1': $(cat "$api_answer")"
	id=$(jq -r .login "$api_answer")
	[ "$(jq -nR '{answers: [input]}' "$TMPDIR/password.$1" | api_send --data @- "$appliance_url/api/v1/login/$id")" = 200 ] ||
		fail "the log-in of '$1' failed: $(jq -r .title "$api_answer")"
	(umask 077 && jq -r '"Authorization: Bearer " + .token' "$api_answer" >"$TMPDIR/token.$1")
	: >"$api_answer"
}

# api_call USER METHOD PATH [BODY]: prints the status
api_call() {
	local body=()
	[ $# -lt 4 ] || body=(--data "$4")
	api_send --header @"$TMPDIR/token.$1" --request "$2" "${body[@]}" "$appliance_url$3"
}
