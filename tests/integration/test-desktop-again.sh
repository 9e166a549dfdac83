#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-again.sh - a user closes the viewer and logs in again: it is the same desktop, as it was left
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh

viewer_begin 2
viewer_type_token
before=$(appliance_session ada)

viewer_close
appliance_wait office disconnected 1
[ "$(appliance_session ada)" = "$before" ] || fail "the session did not outlive the viewer: $(appliance_session ada)"
echo "the viewer is closed, the session stays"

viewer_log_in ada office
[ "$(appliance_session ada)" = "$before" ] || fail "it is another session: $(appliance_session ada) after $before"
viewer_expect "$token" 60
echo "the token typed before is on the screen again"
