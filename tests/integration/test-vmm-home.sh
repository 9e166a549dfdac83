#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-home.sh - carrel-vmm on /dev/kvm: a disk comes into an empty slot while the guest runs, goes, and comes again
set -eu
exec python3 -B "$(dirname "$0")/vmm_driver.py" home
