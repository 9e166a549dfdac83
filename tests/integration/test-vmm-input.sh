#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-input.sh - carrel-vmm on /dev/kvm: keys, pointer, buttons and wheel reach the guest, its lights reach the display, and nonsense does no harm
set -eu
exec python3 -B "$(dirname "$0")/vmm_devices_driver.py" input
