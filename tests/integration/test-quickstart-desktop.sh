#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-quickstart-desktop.sh - ./quickstart without a screen, with its template there already: picture, and nothing left over
set -eu
. tests/lib/appliance.sh

# count_pixels COLOUR: of the picture
count_pixels() {
	convert "$picture" -format %c histogram:info:- | grep -i "$1" | sed 's/ *\([0-9]*\):.*/\1/' | head -n 1
}

appliance_prepare
appliance_place_template
picture=$appliance_root/quickstart.png
rm -f "$picture"
env -u DISPLAY "$appliance_root/quickstart" --state "$appliance_state" --config "$TMPDIR/carrel.conf" >"$TMPDIR/out" 2>&1 ||
	fail "quickstart failed: $(tail -n 5 "$TMPDIR/out")"
grep -q "the desktop is there: $picture" "$TMPDIR/out" || fail "it does not say where the picture is"
! grep -q 'golden image\|publishing' "$TMPDIR/out" || fail "it makes again what is there"
# the panel's and the background's colours, as the recipe says: so many only when the desktop fills the viewer
[ "$(count_pixels '#2B3440')" -gt 10000 ] || fail "the picture shows no panel"
[ "$(count_pixels '#3B5068')" -gt 100000 ] || fail "the picture shows no desktop"
! pgrep -f "$appliance_state" >/dev/null || fail "something still runs: $(pgrep -af "$appliance_state" | head -n 3)"
echo "the picture shows a desktop: $(grep -c . "$TMPDIR/out") lines in $SECONDS s"
