#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-panic.sh - carrel-vmm on /dev/kvm: a guest's panic is known and stops the machine
set -eu
exec python3 -B "$(dirname "$0")/vmm_driver.py" panic
