# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# resize.sh - is the viewer's window filled by a desktop of its size? (sourced after appliance.sh and viewer.sh)

# measure_screen: what the machine itself shows; sets $shown_width and $shown_height
measure_screen() {
	carrel desktop screenshot "$desktop" --output "$TMPDIR/machine.png" >/dev/null || return 1
	read -r shown_width shown_height < <(identify -format '%w %h\n' "$TMPDIR/machine.png")
}

# Is the machine's picture in the window, unscaled, at X Y?
picture_is_at() {
	measure_screen && [ "$shown_width $shown_height" = "$guest_width $guest_height" ] || return 1
	screen_shot "$TMPDIR/window.xwd" "${viewer_windows[$viewer_user]}" &&
		convert "$TMPDIR/window.xwd" -crop "${guest_width}x$guest_height+$1+$2" +repage "$TMPDIR/window.png" &&
		[ "$(compare -metric AE "$TMPDIR/window.png" "$TMPDIR/machine.png" null: 2>&1)" = 0 ]
}

# What X says of itself in there. A guest that is busy with its new size loses keys: the line is typed again.
guest_says_so() {
	viewer_focus
	screen_key ctrl+c
	screen_type "xrandr | sed -n 's/.*current \(.*\) x \(.*\), .*/0000\\10000\\20000/p'"
	screen_key Return
	wait_until 15 viewer_shows "0000${guest_width}0000${guest_height}0000"
}

# resize_to WIDTH HEIGHT GUEST-WIDTH: of the desktop's room in the window, and of the desktop that is expected in it
resize_to() {
	guest_width=$3 guest_height=$2
	xdotool windowsize "${viewer_windows[$viewer_user]}" $(($1 + frame_width)) $(($2 + frame_height))
	wait_until 180 picture_is_at $((left + ($1 - guest_width) / 2)) "$top" ||
		{ viewer_keep_picture; fail "a room of $1x$2 shows a desktop of ${shown_width}x$shown_height, or not all of it"; }
	viewer_settle
	wait_until 180 guest_says_so || { viewer_keep_picture; fail "in the desktop: $screen_read"; }
	echo "a room of $1x$2 is filled by a desktop that says it has ${guest_width}x$guest_height"
}

# resize_begin: the viewer of 'ada' is connected and has an open terminal
resize_begin() {
	read -r _ desktop < <(appliance_session ada)
	measure_screen
	# the frame around the desktop: as wide below as at the sides
	frame_width=$(($(viewer_geometry WIDTH) - shown_width)) frame_height=$(($(viewer_geometry HEIGHT) - shown_height))
	left=$((frame_width / 2)) top=$((frame_height - frame_width / 2))
}
