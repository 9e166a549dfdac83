#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-broker-restart.sh - sessions, keys and tokens outlive kill -9; revoking ends them; one desktop has one user
set -eu
exec python3 -B "$(dirname "$0")/broker_restart_driver.py" "$CARREL_BUILD_DIR" "$TMPDIR"
