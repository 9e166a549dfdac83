#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-rng.sh - carrel-vmm on /dev/kvm: random numbers come, and nonsense does no harm
set -eu
exec python3 -B "$(dirname "$0")/vmm_devices_driver.py" rng
