#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# bench-broker.sh - what the broker does alone: logins_per_second, login_ms, assign_p99_ms
set -eu
. "${BASH_SOURCE[0]%/*}/bench.sh"
python3 -B -W ignore::DeprecationWarning tests/bench/broker_driver.py "$CARREL_BUILD_DIR" "$TMPDIR" "$RUNS" "$bench_samples" >&2
bench_end broker none
