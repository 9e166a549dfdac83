#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-sound.sh - carrel-vmm on /dev/kvm: what the guest plays is heard, what is said it records, and nonsense does no harm
set -eu
exec python3 -B "$(dirname "$0")/vmm_devices_driver.py" sound
