#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# bench-login.sh - from a user's Return to the first frame: login_to_first_frame_user_ms (a desktop is ready),
# fork_to_first_frame_ms (it is forked for this user), the steps of the first, and input_to_pixel_ms
#
# First frame: the code drawn by that user's session is on the screen. The panel of debian-openbox shows who is logged in,
# and each run's user has a new random name; the end of the panel, without the clock, is looked at every 4 ms. The first
# picture that is the same as the settled one counts, which has text; no two users' settled pictures may be the same. The viewer is in
# full screen, as large as the guest's screen at the fork, so that no resizing comes between.
set -eu
. "${BASH_SOURCE[0]%/*}/bench.sh"
. tests/lib/appliance.sh
. tests/lib/viewer.sh

guest_width=1280
guest_height=800
panel_height=28
clock_width=54
code_width=64
code_area=($((guest_width - clock_width - code_width)) $((guest_height - panel_height)) "$code_width" "$panel_height")
recorder=

# start_recorder [COMMAND...]: presses Return and keeps the time; end_recorder sets $first_frame_ms and $code
start_recorder() {
	rm -f "$TMPDIR/stop"
	mkfifo "$TMPDIR/stop"
	screen_run python3 -B tests/bench/screen_clock.py record "${code_area[@]}" "$TMPDIR/stop" Return "$@" \
		>"$TMPDIR/recorded"
	recorder=$screen_pid
}

end_recorder() {
	echo >"$TMPDIR/stop"
	wait "$recorder" || { viewer_keep_picture; fail "the first frame was not recorded"; }
	read -r first_frame_ms code <"$TMPDIR/recorded"
}

# One more user, with a random name, at the viewer's question for the password
bring_user() {
	user=u$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
	appliance_add_user "$user"
	viewer_start "$user" --pool office --full-screen
	viewer_focus
	screen_key Return
	viewer_wait asking 60
	viewer_focus
	screen_type_file "$TMPDIR/password.$user"
}

await_frame() {
	viewer_wait connected 120
	end_recorder
	! grep -qx "$code" "$TMPDIR/codes" ||
		{ viewer_keep_picture; fail "the settled picture of '$user' is another's: the code is not in it"; }
	echo "$code" >>"$TMPDIR/codes"
}

dismiss_user() {
	carrel session revoke --user "$user" >/dev/null
	screen_end "${viewer_pids[$user]}"
}

# What the broker noted of the user's session
add_steps() {
	local session
	read -r session _ < <(appliance_session "$user")
	carrel_json '.steps[] | select(.warm | not) | "login_step_\(.step | gsub(" "; "_"))_ms\tms\t\(.ms)"' \
		session timing "$session" >>"$bench_samples"
}

measure_warm() {
	local i
	for ((i = 0; i < RUNS; i++)); do
		appliance_wait office ready 1
		bring_user
		start_recorder
		await_frame
		bench_add login_to_first_frame_user_ms ms "$first_frame_ms"
		add_steps
		[ "$i" != 0 ] || measure_input
		dismiss_user
	done
}

is_empty() {
	[ -z "$(ls "$appliance_state/run/desktops")" ]
}

measure_cold() {
	local i
	for ((i = 0; i < RUNS; i++)); do
		bring_user
		carrel pool set office --size 0 >/dev/null
		wait_until 60 is_empty || fail "the desktops do not end"
		start_recorder "$appliance_root/run" carrel pool set office --size 1 --run "$appliance_state/run"
		await_frame
		bench_add fork_to_first_frame_ms ms "$first_frame_ms"
		dismiss_user
	done
}

# Letters typed in the guest's terminal: its lines below the calibration line, which is read together with the prompt
measure_input() {
	local y values
	viewer_open_terminal
	y=$(awk '{ print $2 }' <<<"$screen_read" | sort -n | tail -n 1)
	mapfile -t values < <(python3 -B tests/bench/screen_clock.py input 0 "$y" "$guest_width" 80 $((RUNS * 2)) a b c d e f)
	[ ${#values[@]} = $((RUNS * 2)) ] ||
		{ viewer_keep_picture; fail "the keys changed nothing below row $y: $screen_read"; }
	bench_add input_to_pixel_ms ms "${values[@]}"
}

: >"$TMPDIR/codes"
appliance_start
appliance_make_pool office 1 '*'
screen_start "${guest_width}x$guest_height"
bench_say "$RUNS log-ins to a desktop that is ready"
measure_warm
bench_say "$RUNS log-ins to a desktop that is forked then"
measure_cold
screen_stop
appliance_stop
bench_end login qemu
