#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-clock.sh - carrel-vmm on /dev/kvm: for a guest that was paused no time has passed
set -eu
exec python3 -B "$(dirname "$0")/vmm_devices_driver.py" clock
