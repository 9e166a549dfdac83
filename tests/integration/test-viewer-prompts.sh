#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-viewer-prompts.sh - carrel-viewer asks what the broker asks, says what went wrong, and refuses a changed broker
#
# The viewer runs under Xvfb with a window manager and is used by keyboard alone. What it did is read from the fake
# broker's record, from the window's title and from what it says it told the user.
# timeout-minutes: 3
set -eu
here=$(cd "$(dirname "$0")" && pwd)
viewer=$CARREL_BUILD_DIR/viewer/carrel-viewer
[ -x "$viewer" ] || { echo "'$viewer' is not built"; exit 1; }
for program in Xvfb openbox xdotool openssl python3; do
	command -v "$program" >/dev/null || { echo "$program is not installed"; exit 77; }
done

pids=()
# shellcheck disable=SC2317 # called by the trap
end() {
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	wait
}
trap end EXIT

fail() {
	echo "the broker was asked:"
	cat "$TMPDIR/broker.log"
	echo "the viewer said:"
	grep -a 'session:' "$TMPDIR/viewer.log" || true
	echo "$*"
	exit 1
}

# Waits for a condition instead of a time; the reason comes first.
await() {
	local reason=$1 left=300
	shift
	until "$@"; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || fail "not within 30 s: $reason"
		sleep 0.1
	done
}

asked() {
	[ "$(grep -c -- "$1" "$TMPDIR/broker.log")" -ge "${2:-1}" ]
}

# Keys go to the viewer's window, not to that of the one before, and it has this title
titled() {
	[ "$(xdotool getwindowfocus getwindowpid getwindowname 2>/dev/null | tr '\n' ' ')" = "$window $1 " ]
}

told() {
	grep -aqF "told: $1" "$TMPDIR/viewer.log"
}

reached() {
	grep -aq "session: .* -> $1\$" "$TMPDIR/viewer.log"
}

start_broker() {
	: >"$TMPDIR/broker.log"
	python3 -B "$here/../lib/fake_broker.py" --port "$1" --cert "$2.crt" --key "$2.key" >"$TMPDIR/broker.log" &
	broker=$!
	pids+=("$broker")
	await "the fake broker listens" asked '^listening'
}

# USER [FIRST STATE]: a fresh viewer, up to its first question
start_viewer() {
	: >"$TMPDIR/viewer.log"
	G_MESSAGES_DEBUG=all "$viewer" --broker "127.0.0.1:$port" --user "$1" >"$TMPDIR/viewer.log" 2>&1 &
	window=$!
	pids+=("$window")
	await "the log-in page is there" titled "Log in – Carrel"
	xdotool key Return
	await "the session is ${2:-asking}" reached "${2:-asking}"
}

stop_viewer() {
	kill "$window"
	wait "$window" 2>/dev/null || true
	cat "$TMPDIR/viewer.log" >>"$TMPDIR/all.log"
}

answer() {
	[ -z "$1" ] || xdotool type -- "$1"
	xdotool key Return
}

cd "$TMPDIR"
for name in first second; do
	openssl req -x509 -newkey rsa:2048 -nodes -keyout $name.key -out $name.crt -subj "/CN=$name" -days 2 2>/dev/null
done
export HOME=$TMPDIR XDG_CONFIG_HOME=$TMPDIR/config LC_ALL=C.UTF-8 GTK_THEME=Adwaita
unset WAYLAND_DISPLAY

# Without a screen: one line, no window
code=0
env -u DISPLAY "$viewer" 2>no-screen.log || code=$?
[ "$code" = 1 ] && [ "$(wc -l <no-screen.log)" = 1 ] && grep -q 'set DISPLAY' no-screen.log ||
	{ cat no-screen.log; echo "without DISPLAY the viewer ended with $code and said the above"; exit 1; }

Xvfb -displayfd 3 -screen 0 1280x960x24 -nolisten tcp 3>display 2>xvfb.log &
pids+=($!)
: >broker.log
: >viewer.log
await "Xvfb is up" test -s display
DISPLAY=:$(cat display)
export DISPLAY
openbox 2>openbox.log &
pids+=($!)
await "openbox is up" xdotool get_desktop >/dev/null 2>&1

start_broker 0 first
port=$(sed -n 's/^listening .*:\([0-9]*\)$/\1/p' broker.log)

# First use: nothing is sent before the fingerprint is trusted
start_viewer ada trusting
await "the fingerprint is shown" titled "Unknown broker – Carrel"
! asked '^POST' || fail "a log-in began before the broker was trusted"
xdotool key Return
await "the log-in begins" asked '"user": "ada"'
fingerprint=$(openssl x509 -in first.crt -noout -fingerprint -sha256 | cut -d= -f2)
grep -qi "$fingerprint" config/carrel/known_hosts || fail "the fingerprint is not kept"

# Two batches of questions, then the list of desktops
await "the password is asked for" reached asking
answer lace
await "the password is accepted" asked 'login/.*"answers": 1} 200'
await "the code is asked for" eval '[ "$(grep -ac "> asking$" viewer.log)" = 2 ]'
answer analytical
await "the desktops are listed" asked '^GET /api/v1/pools'
await "the page of desktops is there" titled "Desktops – Carrel"
stop_viewer

# Batches that only inform: before, between and after questions
start_viewer grace
answer ""
await "the first note is acknowledged" asked 'login/.*"answers": 0} 200'
await "the password is asked for" eval '[ "$(grep -ac "> asking$" viewer.log)" = 2 ]'
answer hopper
await "the last note is there" eval '[ "$(grep -ac "> asking$" viewer.log)" = 3 ]'
answer ""
await "the last note is acknowledged" asked 'login/.*"answers": 0} 200' 2
await "the page of desktops is there" titled "Desktops – Carrel"
stop_viewer
! asked ' 400 ' || fail "a batch was answered with another number of answers than it asks for"

# What is refused is said in words, and the log-in page is back
while IFS='|' read -r user secret words; do
	start_viewer "$user" "$([ -n "$secret" ] && echo asking || echo idle)"
	[ -z "$secret" ] || answer "$secret"
	await "'$user' is told '$words'" told "$words"
	await "the log-in page is back" titled "Log in – Carrel"
	stop_viewer
done <<'CASES'
ada|wrong|The user name or the password is not right. Try again.
locked|x|Your account is locked.
expired|x|Your account or password has expired.
limited||Too many tries to log in.
down||The broker cannot check passwords just now.
CASES
# All secrets are words: digits would be found in a process's number
! grep -a 'wrong\|hopper\|lace\|analytical' all.log broker.log || fail "a secret is in a log"

# Another certificate at the same address: nothing is sent
kill "$broker"
wait "$broker" 2>/dev/null || true
start_broker "$port" second
start_viewer ada idle
told "The broker https://127.0.0.1:$port shows another certificate than before." || fail "the changed certificate is not told"
! asked '/api/' || fail "something was sent to a broker with another certificate"
grep -qi "$fingerprint" config/carrel/known_hosts || fail "the fingerprint was replaced"
stop_viewer

# Nobody at the address
kill "$broker"
wait "$broker" 2>/dev/null || true
start_viewer ada idle
told "The broker https://127.0.0.1:$port cannot be reached" || fail "the missing broker is not told"
stop_viewer
echo "prompts, refusals and the changed certificate are as they should be"
