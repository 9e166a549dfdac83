#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-vnc.sh - `carrel session vnc` lets a VNC client in: a token typed over VNC is read from the pixels that come over VNC, texts are copied both ways
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh
. tests/lib/client.sh
. tests/lib/vnc.sh

viewer_begin 1
viewer_type_token
read -r session desktop < <(appliance_session ada)

# the desktop comes over from the viewer, as to a second viewer
client_log_in ada
vnc_open ada "$session"
appliance_wait office active 1
vnc_expect "$token" 60
echo "what was typed in the viewer is read from the pixels over VNC"

vnc_do "key ff0d"
vnc_type_token
echo "the token typed over VNC was read from the pixels over VNC"

vnc_copy < <(printf '%s Grüße für 12 €\nзаметка 漢字 😀' "$token")
vnc_copy < <(head -c 30000 /dev/urandom | base64)
token=$(screen_new_token)
vnc_do "type printf '$token gr\\303\\274n \\342\\202\\254 \\360\\237\\230\\200' | xclip -selection clipboard"
vnc_do "key ff0d"
vnc_paste "$token grün € 😀"
echo "the clipboard goes both ways, UTF-8"

vnc_do "size 1024 720"
vnc_type_token
echo "the desktop follows the VNC client's size"

vnc_close
appliance_wait office disconnected 1
code=0
client_carrel ada session vnc s-abcdefghijklmnopqrst --listen "$TMPDIR/none" 2>"$TMPDIR/err" || code=$?
[ "$code" = 4 ] && [ ! -e "$TMPDIR/none" ] || fail "a session that is not there ends with $code: $(cat "$TMPDIR/err")"
vnc_open ada "$session"
vnc_type_token
echo "after a while away it opens again with a new ticket"

# the desktop has copied last, for the client before
vnc_copy < <(printf '%s again' "$(screen_new_token)")
token=$(screen_new_token)
vnc_do "type printf $token | xclip -selection clipboard"
vnc_do "key ff0d"
vnc_paste "$token"
echo "and so does its clipboard, both ways"
vnc_close
appliance_stop
