#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-launch-processes.sh - carrel-launch starts, confines, adopts and removes processes, and refuses what it must
set -eu
[ "$(id -u)" = 0 ] || { echo "root is needed to change uids"; exit 77; }
launch=$CARREL_BUILD_DIR/host/carrel-launch
[ -x "$launch" ] || { echo "'$launch' is not built"; exit 1; }
# the desktops' uids must reach the stand-in programs
chmod 0755 "$TMPDIR"
exec python3 -B "$(dirname "$0")/launch_driver.py" "$launch" "$TMPDIR"
