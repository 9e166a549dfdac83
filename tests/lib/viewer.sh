# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# viewer.sh - what a person does with carrel-viewer and with the desktop in it (sourced after appliance.sh)
#
# viewer_log_in types into the viewer's pages as a person would. What the viewer is about is read from its debug log, what
# the desktop shows from its window's pixels. Several may run at once: $viewer_user says which one is meant.

declare -A viewer_pids=() viewer_windows=() viewer_log_starts=()
viewer_user=

# viewer_start USER [OPTION...]: a viewer with settings of its own; the broker is trusted, as if it were used before
viewer_start() {
	local home=$TMPDIR/home.$1 fingerprint
	viewer_user=$1
	shift
	fingerprint=$(openssl x509 -in "$appliance_state/lib/broker/tls.crt" -noout -fingerprint -sha256 | sed 's/.*=//')
	mkdir -p "$home/carrel" "$home/gtk-3.0"
	printf '%s %s\n' "${appliance_url#https://}" "$fingerprint" >"$home/carrel/known_hosts"
	# a picture that does not change is one that is complete
	printf '[Settings]\ngtk-cursor-blink=0\n' >"$home/gtk-3.0/settings.ini"
	touch "$home/log"
	viewer_log_starts[$viewer_user]=$(wc -l <"$home/log")
	HOME=$home XDG_CONFIG_HOME=$home G_MESSAGES_DEBUG=all NO_AT_BRIDGE=1 screen_run \
		"$appliance_root/run" carrel-viewer --broker "$appliance_url" --user "$viewer_user" "$@" >>"$home/log" 2>&1
	viewer_pids[$viewer_user]=$screen_pid
	wait_until 60 viewer_find >/dev/null || fail "the viewer shows no window: $(tail -n 5 "$home/log")"
	viewer_windows[$viewer_user]=$(viewer_find)
}

viewer_find() {
	xdotool search --onlyvisible --pid "${viewer_pids[$viewer_user]}" 2>/dev/null | tail -n 1 | grep .
}

# viewer_state: the state it is in, as in viewer/session_life.c
viewer_state() {
	tail -n +"$((viewer_log_starts[$viewer_user] + 1))" "$TMPDIR/home.$viewer_user/log" |
		sed -n 's/.*session: [a-z]* -> \([a-z]*\)$/\1/p' | tail -n 1
}

# viewer_was_told TEXT: is that the last thing it told its user?
viewer_was_told() {
	tail -n +"$((viewer_log_starts[$viewer_user] + 1))" "$TMPDIR/home.$viewer_user/log" |
		sed -n 's/.*session: the user is told: //p' | tail -n 1 | grep -qF "$1"
}

viewer_is() {
	[[ $(viewer_state) =~ ^($1)$ ]]
}

# viewer_wait STATES SECONDS: a regular expression
viewer_wait() {
	wait_until "$2" viewer_is "$1" && return
	screen_shot "$TMPDIR/failed.xwd" && viewer_keep_picture
	viewer_keep_log
	fail "the viewer of '$viewer_user' is '$(viewer_state)' after $2 s, not '$1': $(tail -n 5 "$TMPDIR/home.$viewer_user/log")"
}

# viewer_keep_picture: the screen beside the test's log
viewer_keep_picture() {
	local file
	file=${CARREL_TEST_OUT:-$CARREL_BUILD_DIR/integration}/$(basename "$0" .sh).png
	import -window root "$file" && echo "the screen is in '$file'"
}

# viewer_keep_log: what the viewer was about, beside the test's log
viewer_keep_log() {
	local file
	file=${CARREL_TEST_OUT:-$CARREL_BUILD_DIR/integration}/$(basename "$0" .sh).viewer
	cp "$TMPDIR/home.$viewer_user/log" "$file" && echo "the viewer's log is in '$file'"
}

viewer_focus() {
	screen_focus "${viewer_windows[$viewer_user]}" || fail "the viewer's window does not get the keyboard"
}

# viewer_log_in USER POOL: up to its desktop on the screen
viewer_log_in() {
	viewer_start "$1" --pool "$2"
	viewer_focus
	screen_key Return
	viewer_wait asking 60
	viewer_focus
	screen_type_file "$TMPDIR/password.$1"
	screen_key Return
	viewer_wait connected 120
	viewer_settle
}

# viewer_begin SIZE [WIDTHxHEIGHT]: an appliance with a pool "office" of so many desktops, and ada at the terminal of one
viewer_begin() {
	appliance_start
	appliance_make_pool office "$1" ada
	screen_start "${@:2}"
	viewer_log_in ada office
	viewer_open_terminal
}

# viewer_type_token: types one, which is read from the pixels; sets $token
viewer_type_token() {
	token=$(screen_new_token)
	screen_type "$token"
	viewer_expect "$token" 120
}

# viewer_close: closes the window as its button does; the session stays
viewer_close() {
	local pid=${viewer_pids[$viewer_user]}
	viewer_focus
	# the window manager of tests/lib/openbox.xml asks it to close; keys would go to the desktop in it
	xdotool mousemove --window "${viewer_windows[$viewer_user]}" 200 20 click 8
	wait_until 60 viewer_has_ended || fail "the viewer does not end"
	screen_end "$pid"
}

viewer_has_ended() {
	local state
	state=$(awk '{ print $3 }' "/proc/${viewer_pids[$viewer_user]}/stat" 2>/dev/null) || return 0
	[ "$state" = Z ]
}

# viewer_settle: waits until the window has been the same for more than a second: the guest has drawn, resized and done
viewer_settle() {
	wait_until 120 viewer_is_quiet || fail "the desktop in the viewer does not come to rest"
}

viewer_is_quiet() {
	local look
	screen_shot "$TMPDIR/quiet.xwd" "${viewer_windows[$viewer_user]}" || return 1
	for look in 1 2 3; do
		sleep 0.4
		screen_shot "$TMPDIR/look.xwd" "${viewer_windows[$viewer_user]}" && cmp -s "$TMPDIR/quiet.xwd" "$TMPDIR/look.xwd" ||
			return 1
	done
}

# viewer_shows TEXT: is it to be read in the viewer's window?
viewer_shows() {
	screen_shows "$1" "${viewer_windows[$viewer_user]}"
}

# viewer_choose_from_menu N: a right click on the desktop, beside the terminal in the middle, and the N-th item of its menu
viewer_choose_from_menu() {
	local x y item
	viewer_focus
	x=$(viewer_geometry WIDTH) y=$(viewer_geometry HEIGHT)
	viewer_settle
	cp "$TMPDIR/quiet.xwd" "$TMPDIR/before-menu.xwd"
	xdotool mousemove --window "${viewer_windows[$viewer_user]}" $((x * 9 / 10)) $((y * 3 / 4)) click 3
	wait_until 60 viewer_differs "$TMPDIR/before-menu.xwd" || fail "the menu does not open"
	viewer_settle
	for ((item = 0; item < $1; item++)); do screen_key Down; done
	screen_key Return
	xdotool mousemove --window "${viewer_windows[$viewer_user]}" $((x - 8)) $((y / 2))
}

# viewer_open_terminal: by the menu's first item, and the calibration line in it
viewer_open_terminal() {
	viewer_choose_from_menu 1
	wait_until 120 viewer_has_terminal || { viewer_keep_picture; fail "the terminal does not open"; }
	viewer_settle
	viewer_calibrate
}

# viewer_calibrate: the line in its terminal that pixels.py needs
viewer_calibrate() {
	local try
	# what is typed before the terminal has the keyboard is lost
	for try in 1 2 3 4; do
		screen_type "# $(python3 -B "$screen_tools/pixels.py" line)"
		screen_key Return
		wait_until 30 viewer_is_calibrated && return
	done
	viewer_keep_picture
	fail "no terminal to be read after $try lines: $screen_read"
}

# Is there something new as large as half a terminal? The menu is not.
viewer_has_terminal() {
	screen_shot "$TMPDIR/look.xwd" "${viewer_windows[$viewer_user]}" &&
		[ "$(cmp -l "$TMPDIR/before-menu.xwd" "$TMPDIR/look.xwd" | wc -l)" -gt 400000 ]
}

viewer_is_calibrated() {
	screen_shot "$TMPDIR/screen.xwd" "${viewer_windows[$viewer_user]}" &&
		screen_read=$(python3 -B "$screen_tools/pixels.py" read "$TMPDIR/screen.xwd" 2>&1)
}

viewer_geometry() {
	xdotool getwindowgeometry --shell "${viewer_windows[$viewer_user]}" | sed -n "s/^$1=//p"
}

viewer_differs() {
	screen_shot "$TMPDIR/look.xwd" "${viewer_windows[$viewer_user]}" && ! cmp -s "$1" "$TMPDIR/look.xwd"
}

# viewer_expect TEXT SECONDS
viewer_expect() {
	wait_until "$2" viewer_shows "$1" || { viewer_keep_picture; fail "$screen_read"; }
}
