#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-reset.sh - carrel-vmm on /dev/kvm: each way to reset the machine leads to a fresh start
set -eu
exec python3 -B "$(dirname "$0")/vmm_driver.py" reset
