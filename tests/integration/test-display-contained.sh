#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-display-contained.sh - a carrel-display that is not contained says what it could do, and shows nothing
set -eu
exec python3 -B "$(dirname "$0")/display_contained_driver.py"
