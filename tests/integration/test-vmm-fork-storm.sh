#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-fork-storm.sh - carrel-vmm on /dev/kvm: 32 forks of a machine begin at once, and each goes on
set -eu
exec python3 -B "$(dirname "$0")/vmm_fork_driver.py" fork_storm
