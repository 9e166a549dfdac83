#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-viewer-no-display.sh - carrel-viewer without an X display, or with a wrong one: one line and a code
set -eu
for display in '' :4711 nonsense; do
	code=0
	said=$(DISPLAY=$display WAYLAND_DISPLAY='' timeout 60 ./run carrel-viewer 2>&1) || code=$?
	[ "$code" = 1 ] || { echo "DISPLAY='$display': code $code"; exit 1; }
	[ "$(wc -l <<<"$said")" = 1 ] && grep -q '^carrel-viewer: .*set DISPLAY' <<<"$said" ||
		{ echo "DISPLAY='$display': $said"; exit 1; }
done
