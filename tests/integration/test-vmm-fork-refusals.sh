#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-fork-refusals.sh - carrel-vmm on /dev/kvm: a state that is damaged, or of another host, is refused with its reason
set -eu
exec python3 -B "$(dirname "$0")/vmm_fork_driver.py" fork_refusals
