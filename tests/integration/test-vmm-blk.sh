#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-blk.sh - carrel-vmm on /dev/kvm: a disk is read, written and trimmed, and outlives a driver that breaks the rules
set -eu
exec python3 -B "$(dirname "$0")/vmm_driver.py" blk
