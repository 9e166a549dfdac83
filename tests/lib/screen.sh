# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# screen.sh - an X display of a test's own, and what a person does at it (sourced; needs TMPDIR)
#
# Whatever is waited for has a time-out that a loaded machine does not reach; nothing waits for a time to pass.
# screen_stop ends what was started here, by pid; tests call it from their trap.

screen_pids=()
screen_tools=${BASH_SOURCE[0]%/*}

# wait_until SECONDS COMMAND...: true as soon as the command is; looks five times a second
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}

# screen_start [WIDTHxHEIGHT]: Xvfb with a free display number, and openbox; sets DISPLAY
screen_start() {
	local number=$TMPDIR/display-number
	: >"$number"
	Xvfb -displayfd 5 -screen 0 "${1:-1280x900}x24" -nolisten tcp -noreset 5>"$number" >"$TMPDIR/xvfb.log" 2>&1 &
	screen_pids+=($!)
	wait_until 60 test -s "$number" || { echo "Xvfb did not start: $(cat "$TMPDIR/xvfb.log")" && return 1; }
	DISPLAY=:$(tr -d '\n' <"$number")
	export DISPLAY
	openbox --config-file "$screen_tools/openbox.xml" --sm-disable >"$TMPDIR/openbox.log" 2>&1 &
	screen_pids+=($!)
	wait_until 60 screen_has_manager || { echo "openbox did not start: $(cat "$TMPDIR/openbox.log")" && return 1; }
}

screen_has_manager() {
	xprop -root _NET_SUPPORTING_WM_CHECK 2>/dev/null | grep -q 'window id'
}

# screen_run COMMAND...: starts a program on the screen; sets $screen_pid
screen_run() {
	"$@" &
	screen_pid=$!
	screen_pids+=("$screen_pid")
}

# screen_end PID: ends one that screen_run started
screen_end() {
	local pid left=()
	kill "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
	for pid in "${screen_pids[@]}"; do
		[ "$pid" = "$1" ] || left+=("$pid")
	done
	screen_pids=("${left[@]}")
}

# screen_stop: the programs first, their display last
screen_stop() {
	local i
	for ((i = ${#screen_pids[@]} - 1; i >= 0; i--)); do
		kill "${screen_pids[i]}" 2>/dev/null || true
		wait "${screen_pids[i]}" 2>/dev/null || true
	done
	screen_pids=()
}

# screen_find PATTERN: the newest visible window with such a title; prints its id
screen_find() {
	xdotool search --onlyvisible --name "$1" 2>/dev/null | tail -n 1 | grep .
}

# screen_find_class CLASS: the same by class
screen_find_class() {
	xdotool search --onlyvisible --class "$1" 2>/dev/null | tail -n 1 | grep .
}

# screen_wait SECONDS PATTERN: waits for a window with such a title; sets $window
screen_wait() {
	wait_until "$1" screen_find "$2" >/dev/null || {
		echo "no window '$2' after $1 s; there are: $(screen_titles)"
		return 1
	}
	window=$(screen_find "$2")
}

screen_titles() {
	local id
	for id in $(xdotool search --onlyvisible --name . 2>/dev/null); do
		printf "'%s' " "$(xdotool getwindowname "$id")"
	done
}

# screen_focus WINDOW: raises it and waits until it has the keyboard
screen_focus() {
	xdotool windowactivate "$1" 2>/dev/null || true
	wait_until 30 screen_has_focus "$1"
}

screen_has_focus() {
	[ "$(xdotool getactivewindow 2>/dev/null)" = "$1" ]
}

# screen_type TEXT: types slowly enough for a guest without hardware virtualization
screen_type() {
	xdotool type --clearmodifiers --delay "${screen_key_delay_ms:-60}" -- "$1"
}

# screen_type_file FILE: a secret, which must not be in anybody's arguments
screen_type_file() {
	xdotool type --clearmodifiers --delay "${screen_key_delay_ms:-60}" --file "$1"
}

screen_key() {
	xdotool key --clearmodifiers --delay "${screen_key_delay_ms:-60}" "$@"
}

# screen_shot FILE [WINDOW]: an XWD picture of the screen, or of one window
screen_shot() {
	if [ -n "${2:-}" ]; then
		xwd -silent -id "$2" -out "$1"
	else
		xwd -silent -root -out "$1"
	fi
}

# screen_shows TEXT [WINDOW]: is it to be read on the screen, in a terminal that shows the calibration line (pixels.py)?
screen_shows() {
	screen_shot "$TMPDIR/screen.xwd" "${2:-}" &&
		screen_read=$(python3 -B "$screen_tools/pixels.py" expect "$TMPDIR/screen.xwd" "$1" 2>&1)
}

# screen_changed FILE: does the screen look otherwise than on the picture?
screen_changed() {
	screen_shot "$TMPDIR/now.xwd" && ! cmp -s "$1" "$TMPDIR/now.xwd"
}

# screen_new_token: 16 random letters of the alphabet that pixels.py reads
screen_new_token() {
	od -An -N8 -tx1 /dev/urandom | tr -d ' \n'
}
