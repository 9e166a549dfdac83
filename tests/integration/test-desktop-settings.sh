#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-settings.sh - the desktop has the client's keyboard layout, time zone and locale
#
# The client's screen gets a German keyboard: SPICE carries the keys' places, so that a line typed on it comes out right in
# the desktop only where that has the layout, too.
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh

has_note() {
	note=$(appliance_note "$desktop" settings) && grep -qx end <<<"$note"
}

# note_says PATTERN
note_says() {
	grep -qx -- "$1" <<<"$note" || fail "the desktop does not say '$1' but: $note"
}

appliance_start
appliance_make_pool office 1 ada
screen_start
setxkbmap de
export TZ=Asia/Tokyo LC_ALL=C.UTF-8
viewer_log_in ada office
viewer_open_terminal
read -r _ desktop < <(appliance_session ada)
screen_type "(date +zy/%Z; echo lang=\$LANG; setxkbmap -query; echo end) >/run/carrel/notes/settings"
screen_key Return
wait_until 60 has_note || { viewer_keep_picture; fail "the line that was typed has done nothing: is it another keyboard?"; }
note_says 'zy/JST'
note_says 'lang=C.UTF-8'
note_says 'layout: *de'
echo "the desktop has a German keyboard, Japanese time, and the client's locale"
appliance_stop
