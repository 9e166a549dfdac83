# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# clipboard.sh - the client's clipboard and the desktop's (sourced after appliance.sh and viewer.sh)

clipboard_is() {
	[ "$(timeout 10 xclip -o -selection clipboard 2>/dev/null)" = "$1" ]
}

clipboard_wait() {
	wait_until 60 clipboard_is "$1" && return
	viewer_keep_picture
	fail "the client's clipboard holds '$(timeout 10 xclip -o -selection clipboard 2>&1 || true)', not '$1'"
}

# clipboard_copy: standard input becomes the client's clipboard; sets $hash, of what pixels.py can read
clipboard_copy() {
	cat >"$TMPDIR/copied"
	screen_run xclip -quiet -selection clipboard -i "$TMPDIR/copied" >/dev/null 2>&1
	hash=$(sha256sum <"$TMPDIR/copied" | cut -c 1-16)
}

# guest_expect_hash: the desktop's clipboard, as its own xclip reads it; asked again until the new one has arrived
guest_has_hash() {
	screen_type "xclip -o -selection clipboard | sha256sum | cut -c 1-16"
	screen_key Return
	wait_until 15 viewer_shows "$hash"
}

guest_expect_hash() {
	viewer_focus
	wait_until 60 guest_has_hash || { viewer_keep_picture; fail "the desktop's clipboard is not '$(cat "$TMPDIR/copied")'"; }
}
