#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-quickstart-refusals.sh - what quickstart says when it cannot go on, and Ctrl+C while the golden image is built
#
# The recipe is a stand-in that waits: what is tested is that nothing of it is left.
set -eu
. tests/lib/appliance.sh

# refused CODE PATTERN ARGUMENT...
refused() {
	local code=0 wanted=$1 pattern=$2
	shift 2
	timeout 300 ./quickstart "$@" >"$TMPDIR/out" 2>"$TMPDIR/said" || code=$?
	[ "$code" = "$wanted" ] || fail "'quickstart $*' ended with $code, not $wanted: $(cat "$TMPDIR/said")"
	tail -n 1 "$TMPDIR/said" | grep -qE -- "$pattern" || fail "'quickstart $*' does not say '$pattern' but: $(cat "$TMPDIR/said")"
}

appliance_prepare "[template]
recipes = $TMPDIR/recipes"
here=(--state "$appliance_state" --config "$TMPDIR/carrel.conf")

./quickstart --help >"$TMPDIR/out" || fail "--help ended with an error"
grep -q '^usage: .*quickstart' "$TMPDIR/out" || fail "--help shows no usage"
refused 2 "'now' is no option.*--help" now
refused 2 "'--state' is no option, or its value is missing" --state
code=0
said=$(setpriv --reuid 65534 --regid 65534 --clear-groups ./quickstart 2>&1) || code=$?
[ "$code" = 1 ] || fail "not root: $code"
grep -q 'start it as root (sudo ./quickstart)' <<<"$said" || fail "not root: $said"

echo "a build that fails"
mkdir "$TMPDIR/broken"
touch "$TMPDIR/broken/config.status"
printf 'all:\n\t@echo it is broken; exit 1\n' >"$TMPDIR/broken/Makefile"
CARREL_BUILD_DIR=$TMPDIR/broken refused 1 "the build failed, see $TMPDIR/broken/quickstart.log" "${here[@]}"
grep -q 'it is broken' "$TMPDIR/said" || fail "what broke is not shown: $(cat "$TMPDIR/said")"

echo "a port that is taken"
: >"$TMPDIR/taken"
python3 -B -c '
import signal, socket
taken = socket.create_server(("127.0.0.1", 0))
print(taken.getsockname()[1], flush=True)
signal.pause()' >"$TMPDIR/taken" &
taker=$!
wait_until 30 grep -q . "$TMPDIR/taken" || fail "the test finds no port"
sed "/\[gateway\]/,/listen/s/^listen.*/listen = 127.0.0.1:$(cat "$TMPDIR/taken")/" "$TMPDIR/carrel.conf" >"$TMPDIR/taken.conf"
refused 1 "the services did not start: .*cannot listen on '127.0.0.1:$(cat "$TMPDIR/taken")'.*\[gateway\] of carrel.conf" \
	--state "$appliance_state" --config "$TMPDIR/taken.conf"
kill "$taker"
wait "$taker" || true
wait_until 20 appliance_is_gone || fail "left behind: $(appliance_describe_processes)"

echo "Ctrl+C while the golden image is built"
mkdir -p "$TMPDIR/recipes/debian-openbox"
printf '[recipe]\nname=debian-openbox\ncmdline=quiet\n' >"$TMPDIR/recipes/debian-openbox/recipe.conf"
printf '#!/bin/sh\necho progress 10 packages waiting\nsleep 1000 &\ntouch "$1/begun"\nsleep 1000\n' >"$TMPDIR/recipes/debian-openbox/build"
chmod -R 0755 "$TMPDIR/recipes"
rm -rf "${appliance_state:?}/run"
# As from a terminal: a process group of its own, in which SIGINT is not ignored
python3 -B -c '
import os, signal, sys
os.setsid()
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' ./quickstart "${here[@]}" >"$TMPDIR/out" 2>&1 &
quickstart=$!
begun() {
	[ -n "$(find "$appliance_state/lib/staging" -name begun 2>/dev/null)" ]
}
wait_until 120 begun || fail "no build was begun: $(cat "$TMPDIR/out")"
kill -INT -- "-$quickstart"
code=0
wait "$quickstart" || code=$?
[ "$code" = 130 ] || fail "after Ctrl+C quickstart ended with $code: $(cat "$TMPDIR/out")"
wait_until 20 appliance_is_gone || fail "left behind: $(appliance_describe_processes)"
! pgrep -f "$TMPDIR/recipes/" || fail "the build goes on"
[ ! -e "$appliance_state/lib/images/debian-openbox" ] || fail "half a build became an image"
