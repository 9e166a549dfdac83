#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-refusals.sh - carrel-vmm on /dev/kvm: what cannot be a machine is refused with one line
set -eu
exec python3 -B "$(dirname "$0")/vmm_driver.py" refusals
