#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-fork-killed.sh - carrel-vmm on /dev/kvm: a fork that is killed at any step of its start leaves its template as it was
set -eu
exec python3 -B "$(dirname "$0")/vmm_fork_kill_driver.py" start
