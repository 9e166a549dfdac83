# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# vnc.sh - a VNC client's look at a desktop (sourced after appliance.sh and client.sh)
#
# vnc_open starts `carrel session vnc` and a client without a window (rfb.py) on its socket.

vnc_bridge_pid=
vnc_client_pid=

# vnc_open USER SESSION: of a user who has logged in at the command line (client_log_in)
vnc_open() {
	local home=$TMPDIR/home.$1
	vnc_socket=$TMPDIR/vnc.$1
	: >"$TMPDIR/vnc.out"
	XDG_CONFIG_HOME=$home screen_run "$appliance_root/run" carrel session vnc "$2" --listen "$vnc_socket" \
		>"$TMPDIR/vnc.out" 2>"$TMPDIR/vnc.err"
	vnc_bridge_pid=$screen_pid
	wait_until 60 grep -qx "open it with: vncviewer $vnc_socket" "$TMPDIR/vnc.out" ||
		fail "'carrel session vnc' does not listen: $(cat "$TMPDIR/vnc.out" "$TMPDIR/vnc.err")"
	[ "$(stat -c %a "$vnc_socket")" = 700 ] || fail "others may use the socket: $(stat -c %a "$vnc_socket")"
	coproc vnc_client { python3 -B "$appliance_tools/rfb.py" "$vnc_socket" 2>"$TMPDIR/rfb.err"; }
	vnc_to=${vnc_client[1]}
	vnc_from=${vnc_client[0]}
	vnc_client_pid=$!
	vnc_answer
}

vnc_answer() {
	local answer
	IFS= read -r -t 120 -u "$vnc_from" answer ||
		fail "the VNC client says nothing: $(tail -n 1 "$TMPDIR/rfb.err")$(cat "$TMPDIR/vnc.err")"
	[ "$answer" = ok ] || fail "the VNC client says '$answer'"
}

# vnc_do COMMAND: as in rfb.py
vnc_do() {
	echo "$1" >&"$vnc_to"
	vnc_answer
}

vnc_shows() {
	vnc_do "shot $TMPDIR/vnc.ppm"
	vnc_read=$(python3 -B "$appliance_tools/pixels.py" expect "$TMPDIR/vnc.ppm" "$1" 2>&1)
}

# vnc_expect TEXT SECONDS: to be read from the pixels that came over VNC
vnc_expect() {
	wait_until "$2" vnc_shows "$1" || {
		cp "$TMPDIR/vnc.ppm" "${CARREL_TEST_OUT:-$CARREL_BUILD_DIR/integration}/$(basename "$0" .sh).ppm"
		fail "$vnc_read"
	}
}

# vnc_type_token: a token that the desktop's shell turns into another, which is read from the pixels
vnc_type_token() {
	local token
	token=$(screen_new_token)
	vnc_do "type echo $token | tr 0-9a-f 1-9a-f0"
	vnc_do "key ff0d"
	vnc_expect "$(tr 0-9a-f 1-9a-f0 <<<"$token")" 120
}

# vnc_copy: standard input becomes the client's clipboard, and then the desktop's, as its own xclip reads it
vnc_copy() {
	cat >"$TMPDIR/vnc.copied"
	vnc_do "copy $TMPDIR/vnc.copied"
	wait_until 60 vnc_guest_has "$(sha256sum <"$TMPDIR/vnc.copied" | cut -c 1-16)" ||
		fail "the desktop's clipboard is not '$(cat "$TMPDIR/vnc.copied")'"
}

vnc_guest_has() {
	vnc_do "type xclip -o -selection clipboard | sha256sum | cut -c 1-16"
	vnc_do "key ff0d"
	wait_until 15 vnc_shows "$1"
}

# vnc_paste TEXT: what a program in the desktop has copied reaches the client
vnc_paste() {
	wait_until 60 vnc_has_copied "$1" || fail "the client's clipboard holds '$(cat "$TMPDIR/vnc.pasted")', not '$1'"
}

vnc_has_copied() {
	vnc_do "paste $TMPDIR/vnc.pasted"
	[ "$(cat "$TMPDIR/vnc.pasted")" = "$1" ]
}

# vnc_close: the client goes, and the bridge ends by itself
vnc_close() {
	exec {vnc_to}>&-
	wait "$vnc_client_pid" || fail "the VNC client failed: $(tail -n 1 "$TMPDIR/rfb.err")"
	wait_until 30 vnc_bridge_has_ended || fail "'carrel session vnc' does not end with its client"
	screen_end "$vnc_bridge_pid"
	[ ! -e "$vnc_socket" ] || fail "its socket is still there"
}

vnc_bridge_has_ended() {
	local state
	state=$(awk '{ print $3 }' "/proc/$vnc_bridge_pid/stat" 2>/dev/null) || return 0
	[ "$state" = Z ]
}
