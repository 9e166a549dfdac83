# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# client.sh - a user at the command line, stock remote-viewer, and bare CONNECTs (sourced after appliance.sh)
#
# The command line of client_carrel is that of a user who has logged in over HTTPS, not root's on the socket.

# client_trust USER: a configuration folder that knows the broker, as if it were used before; prints it
client_trust() {
	local home=$TMPDIR/home.$1 fingerprint
	fingerprint=$(openssl x509 -in "$appliance_state/lib/broker/tls.crt" -noout -fingerprint -sha256 | sed 's/.*=//')
	mkdir -p "$home/carrel"
	printf '%s %s\n' "${appliance_url#https://}" "$fingerprint" >"$home/carrel/known_hosts"
	echo "$home"
}

# client_log_in USER: `carrel login`, the password from standard input
client_log_in() {
	XDG_CONFIG_HOME=$(client_trust "$1") "$appliance_root/run" carrel login "$1" --broker "$appliance_url" \
		<"$TMPDIR/password.$1" >/dev/null 2>"$TMPDIR/login.err" ||
		fail "'carrel login $1' failed: $(cat "$TMPDIR/login.err")"
}

# client_carrel USER NOUN VERB...
client_carrel() {
	local home=$TMPDIR/home.$1
	shift
	XDG_CONFIG_HOME=$home "$appliance_root/run" carrel "$@"
}

# client_get_vv USER SESSION FILE: `carrel session vv`
client_get_vv() {
	client_carrel "$1" session vv "$2" --output "$3" || fail "no connection file for session '$2'"
}

# client_read_vv FILE KEY: one value of a connection file
client_read_vv() {
	sed -n "s/^$2=//p" "$1"
}

# client_connect TICKET: one CONNECT as a SPICE client sends it; prints the status, and what follows a refusal's head
client_connect() {
	local answer rest=
	exec 7<>"/dev/tcp/127.0.0.1/${appliance_ports#* }"
	# what is too long may be answered, and the connection reset, before all of it is sent
	(trap '' PIPE && printf 'CONNECT %s:61000 HTTP/1.0\r\nHost: %s:61000\r\n\r\n' "$1" "$1" >&7 2>/dev/null) || true
	IFS= read -r -t 30 answer <&7 || answer='no answer'
	answer=${answer%$'\r'}
	# after a refusal comes the end of the connection: a reset where more was sent than was looked at
	[[ $answer = *' 200 '* ]] ||
		rest=$({ timeout 30 cat <&7 2>/dev/null || [ $? != 124 ] || echo "no end"; } | tr -d '\r' | sed '1,/^$/d')
	exec 7>&-
	echo "${answer#HTTP/1.1 }${rest:+ and '$rest'}"
}

# client_remote_viewer FILE: stock remote-viewer; sets $client_pid
client_remote_viewer() {
	local home=$TMPDIR/home.remote
	mkdir -p "$home"
	HOME=$home XDG_CONFIG_HOME=$home NO_AT_BRIDGE=1 screen_run remote-viewer --debug "$1" >>"$TMPDIR/remote.log" 2>&1
	client_pid=$screen_pid
	wait_until 60 client_find_window >/dev/null || fail "remote-viewer shows no window: $(tail -n 3 "$TMPDIR/remote.log")"
}

# client_find_window [TITLE]: remote-viewer's newest window, with such a title
client_find_window() {
	xdotool search --all --onlyvisible --pid "$client_pid" --name "${1:-}" 2>/dev/null | tail -n 1 | grep .
}
