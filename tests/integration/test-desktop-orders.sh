#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-orders.sh - an operator takes a picture of a desktop, presses its power button and ends it; it is replaced
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh

# is_replaced DESKTOP: it is gone with its files, and another one is ready
is_replaced() {
	[ ! -e "$appliance_state/run/desktops/$1" ] && [ ! -e "$appliance_state/lib/desktops/$1" ] &&
		[ -n "$(appliance_desktops office ready)" ] && [ "$(appliance_desktops office ready)" != "$1" ]
}

expect_replaced() {
	wait_until 120 is_replaced "$1" || fail "desktop '$1' is not replaced after '$2': $(carrel desktop list)"
}

expect_refused() {
	local code=0
	carrel "$@" >"$TMPDIR/out" 2>&1 || code=$?
	[ "$code" != 0 ] && [ "$(wc -l <"$TMPDIR/out")" = 1 ] || fail "'carrel $*' ends with $code: $(cat "$TMPDIR/out")"
}

viewer_begin 1
viewer_type_token
read -r _ desktop < <(appliance_session ada)
carrel desktop screenshot "$desktop" --output "$TMPDIR/shot.png" >/dev/null
convert "$TMPDIR/shot.png" "$TMPDIR/shot.ppm"
python3 -B tests/lib/pixels.py expect "$TMPDIR/shot.ppm" "$token" || fail "the picture does not show '$token'"
echo "the picture of 'carrel desktop screenshot' shows what was typed"

carrel desktop powerdown "$desktop" >/dev/null
expect_replaced "$desktop" powerdown
! appliance_session ada >/dev/null || fail "the session outlives its desktop: $(carrel session list)"
viewer_wait choosing 60
viewer_was_told 'Your session on the desktop has ended' || fail "the viewer does not say that the session has ended"
echo "powered down it is replaced, and the viewer says that the session has ended"

old=$(appliance_desktops office ready)
carrel desktop stop "$old" >/dev/null
expect_replaced "$old" stop
expect_refused desktop screenshot "$old"
expect_refused desktop stop "$old"
expect_refused desktop powerdown d-aaaaaaaaaaaaaaaaaaaa
echo "stopped it is replaced; one that is gone takes no orders"
appliance_stop
