#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-fork-seal-killed.sh - carrel-vmm on /dev/kvm: killed while it is sealed, it leaves a state that is refused, or whole
set -eu
exec python3 -B "$(dirname "$0")/vmm_fork_kill_driver.py" seal
