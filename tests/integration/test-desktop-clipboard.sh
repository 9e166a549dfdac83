#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-clipboard.sh - what is copied at the client can be pasted in the desktop, and the other way round
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh
. tests/lib/clipboard.sh

viewer_begin 1

token=$(screen_new_token)
clipboard_copy < <(printf '%s Grüße für 12 €\nзаметка 漢字 😀' "$token")
guest_expect_hash
clipboard_copy < <(head -c 30000 /dev/urandom | base64)
guest_expect_hash
echo "the desktop pastes what the client copied: UTF-8 in two lines, and 40 kB"

token=$(screen_new_token)
screen_type "printf '$token gr\\303\\274n \\342\\202\\254 \\360\\237\\230\\200' | xclip -selection clipboard"
screen_key Return
clipboard_wait "$token grün € 😀"
echo "the client pastes what a program in the desktop copied"

# by dragging: two clicks make a double click only when the desktop meets them within 250 ms
token=$(screen_new_token)
next=$(screen_new_token)
screen_type "# $token $next"
viewer_expect "$next" 60
python3 -B tests/lib/pixels.py read "$TMPDIR/screen.xwd" >"$TMPDIR/read"
read -r x y _ < <(grep " $token\$" "$TMPDIR/read")
read -r end _ < <(grep " $next\$" "$TMPDIR/read")
end=$(((x + ${#token} * end) / (${#token} + 1)))
window=${viewer_windows[$viewer_user]}
xdotool mousemove --window "$window" $((x + 2)) $((y + 6)) mousedown 1 \
	mousemove --window "$window" $((end + 2)) $((y + 6)) mouseup 1
clipboard_wait "$token"
echo "and the word selected with the mouse in the terminal"
appliance_stop
