# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# faults.sh - services and machines that are killed while in use (sourced after appliance.sh and viewer.sh)

# faults_find_process DESKTOP ROLE: the pid of its qemu or display, from launch's record
faults_find_process() {
	local pid
	pid=$(sed -n "s/^$2=\([0-9]*\) .*/\1/p" "$appliance_state/run/desktops/$1/record" 2>/dev/null)
	[ "${pid:-0}" -gt 0 ] && kill -0 "$pid" 2>/dev/null && echo "$pid"
}

# faults_read_kib PID FIELD: a figure of its status, such as VmRSS
faults_read_kib() {
	sed -n "s/^$2:[[:space:]]*\([0-9]*\) kB/\1/p" "/proc/$1/status"
}

# faults_is_new SERVICE PID: another one than before runs?
faults_is_new() {
	local now
	now=$(appliance_find_service "$1") && [ "$now" != "$2" ]
}

# faults_kill SERVICE...: kill -9 of all of them at once, and waits until others run
faults_kill() {
	local service pids=() i=0
	for service in "$@"; do
		pids+=("$(appliance_find_service "$service")") || fail "'$service' does not run"
	done
	kill -KILL "${pids[@]}"
	for service in "$@"; do
		wait_until 60 faults_is_new "$service" "${pids[i]}" || fail "'$service' is not started again"
		i=$((i + 1))
	done
}

# faults_notices USER: what the viewer told its user
faults_notices() {
	sed -n 's/.*session: the user is told: //p' "$TMPDIR/home.$1/log"
}

# faults_is_told TEXT: a regular expression
faults_is_told() {
	faults_notices "$viewer_user" | grep -qE "$1"
}

# faults_connections: how often the viewer had its desktop on the screen
faults_connections() {
	grep -c 'session: .* -> connected$' "$TMPDIR/home.$viewer_user/log"
}

faults_has_connected() {
	[ "$(faults_connections)" -gt "$1" ] && viewer_is connected
}

# faults_type_token: a new token, typed into the shell as a comment (the blank: see pixels.py), is to be read on the viewer's screen
faults_type_token() {
	token=$(screen_new_token)
	viewer_focus
	screen_type "# $token"
	viewer_expect "$token" 120
	screen_key Return
}

# faults_begin POOL: ada is at her desktop, a token on its screen; sets $session, $desktop, $machine and $token
faults_begin() {
	screen_start
	viewer_log_in ada "$1"
	appliance_wait "$1" active 1
	read -r session desktop < <(appliance_session ada)
	machine=$(faults_find_process "$desktop" qemu) || fail "no QEMU is recorded for '$desktop'"
	viewer_open_terminal
	faults_type_token
}

# faults_expect_same WHAT: the session, the desktop and its machine are those of before, the old token is on the screen,
# and a new one typed appears
faults_expect_same() {
	[ "$(faults_find_process "$desktop" qemu)" = "$machine" ] || fail "$1: the desktop's QEMU is another one or none"
	viewer_expect "$token" 120
	faults_type_token
	[ "$(appliance_session ada)" = "$session $desktop" ] || fail "$1: ada's session is '$(appliance_session ada)' now"
	echo "$1: the desktop lives, the token is on the screen, a new one appears"
}
