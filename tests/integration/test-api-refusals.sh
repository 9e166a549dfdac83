#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-api-refusals.sh - the broker answers bad bodies, names, sizes, tokens and roles with a code and what to do next
set -eu
exec python3 -B "$(dirname "$0")/api_refusals_driver.py" "$CARREL_BUILD_DIR" "$TMPDIR"
