#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-full-screen.sh - full screen and back by key and by button, Ctrl+Alt+Del from the menu, with a real desktop
#
# In the desktop Ctrl+Alt+Del is three keys for X, as on any desktop: the kernel does not restart the machine, because X has
# the keyboard. xinput says which keys come, "a" for down and "b" for up, by their X codes: 37 is Ctrl, 64 Alt, 119 Del.
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh
screen_width=1280 screen_height=900
button_step=42 # from the middle of a button in the viewer's bar to the next one's
ctrl_alt_del=aaaa37aaaa64aaaa119bbbb119bbbb64bbbb37

# Does the window have this size, and is the machine's picture, unscaled, at X Y in it: WIDTH HEIGHT X Y
window_is_filled() {
	[ "$(viewer_geometry WIDTH) $(viewer_geometry HEIGHT)" = "$1 $2" ] || return 1
	carrel desktop screenshot "$desktop" --output "$TMPDIR/machine.png" >/dev/null || return 1
	read -r shown_width shown_height < <(identify -format '%w %h\n' "$TMPDIR/machine.png")
	screen_shot "$TMPDIR/window.xwd" "${viewer_windows[$viewer_user]}" &&
		convert "$TMPDIR/window.xwd" -crop "${shown_width}x$shown_height+$3+$4" +repage "$TMPDIR/window.png" &&
		[ "$(compare -metric AE "$TMPDIR/window.png" "$TMPDIR/machine.png" null: 2>&1)" = 0 ]
}

expect_full() {
	wait_until 90 window_is_filled $screen_width $screen_height 0 0 && [ "$shown_width $shown_height" = "$screen_width $screen_height" ] ||
		{ viewer_keep_picture; fail "$1: not full screen: the window has $(viewer_geometry WIDTH)x$(viewer_geometry HEIGHT)"; }
	viewer_settle
	echo "$1: the desktop has and fills the whole screen"
}

expect_window() {
	wait_until 90 window_is_filled "$window_width" "$window_height" "$left" "$top" && [ "$shown_width $shown_height" = "$desktop_size" ] ||
		{ viewer_keep_picture; fail "$1: the window has $(viewer_geometry WIDTH)x$(viewer_geometry HEIGHT), the desktop ${shown_width}x$shown_height"; }
	viewer_settle
	echo "$1: the desktop is in a window again, with the size it had"
}

# click_bar N FROM Y: the N-th button (0 is the keys' menu) of a bar that begins right of FROM, at Y, on plain ground
click_bar() {
	local begin
	screen_shot "$TMPDIR/bar.xwd" "${viewer_windows[$viewer_user]}"
	# the first pixel of that row which is not like its ground
	begin=$(convert "$TMPDIR/bar.xwd" -crop "x1+$2+$3" +repage txt:- |
		awk 'NR == 2 { ground = $3 } NR > 2 && $3 != ground && !begin { begin = NR - 2 } END { print begin }')
	[ -n "$begin" ] || { viewer_keep_picture; fail "there is no bar at row $3"; }
	xdotool mousemove --window "${viewer_windows[$viewer_user]}" $(($2 + begin + button_step / 2 + $1 * button_step)) "$3" click 1
}

# The bar in the window's head, right of its title
click_header() {
	click_bar "$1" $((window_width * 6 / 10)) $(((top + left) / 2))
}

# The drawer of the full screen, which comes out where the pointer touches the edge
click_drawer() {
	viewer_settle
	cp "$TMPDIR/quiet.xwd" "$TMPDIR/before-drawer.xwd"
	xdotool mousemove $((screen_width / 2)) 0
	wait_until 30 viewer_differs "$TMPDIR/before-drawer.xwd" || fail "no drawer comes out"
	viewer_settle
	click_bar "$1" 0 22
}

# send_ctrl_alt_del CLICK: opens the menu with that, and takes its first item
send_ctrl_alt_del() {
	viewer_focus
	screen_key ctrl+c
	viewer_settle
	screen_type "xinput test-xi2 --root | sed -un '/RawKeyP/,/det/s/.*detail: /aaaa/p;/RawKeyR/,/det/s/.*detail: /bbbb/p' | grep -vm6 36 | tr -d '\\n'"
	screen_key Return
	viewer_settle
	"$1" 0
	# it takes longer than the drawer stays when the pointer has left it
	viewer_settle
	screen_key Return
	wait_until 60 viewer_shows "$ctrl_alt_del"
}

expect_ctrl_alt_del() {
	send_ctrl_alt_del "$1" || send_ctrl_alt_del "$1" || { viewer_keep_picture; fail "Ctrl+Alt+Del did not arrive: $screen_read"; }
	echo "the desktop got the keys, down and up: $ctrl_alt_del"
}

viewer_begin 1 ${screen_width}x$screen_height
session=$(appliance_session ada)
desktop=${session#* }
window_width=$(viewer_geometry WIDTH) window_height=$(viewer_geometry HEIGHT)
carrel desktop screenshot "$desktop" --output "$TMPDIR/machine.png" >/dev/null
desktop_size=$(identify -format '%w %h' "$TMPDIR/machine.png")
# the frame around the desktop: as wide below as at the sides
left=$(((window_width - ${desktop_size% *}) / 2)) top=$((window_height - ${desktop_size#* } - (window_width - ${desktop_size% *}) / 2))

expect_ctrl_alt_del click_header
viewer_focus
screen_key F11
expect_full "F11"
expect_ctrl_alt_del click_drawer
screen_key F11
expect_window "F11"
click_header 1
expect_full "the button in the window"
click_drawer 1
expect_window "the button in the drawer"
[ "$(appliance_session ada)" = "$session" ] || fail "ada has another session: $(appliance_session ada)"
appliance_stop
