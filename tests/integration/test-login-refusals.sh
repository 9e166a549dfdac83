#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-login-refusals.sh - each PAM code has its answer; a wrong password and an unknown user cannot be told apart
set -eu
exec python3 -B "$(dirname "$0")/login_refusals_driver.py" "$CARREL_BUILD_DIR" "$TMPDIR"
