#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-power.sh - carrel-vmm on /dev/kvm: the power button interrupts
set -eu
exec python3 -B "$(dirname "$0")/vmm_devices_driver.py" power
