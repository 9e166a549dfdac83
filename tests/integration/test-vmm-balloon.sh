#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-balloon.sh - carrel-vmm on /dev/kvm: pages that the guest gives or reports are the host's again, and come back empty
set -eu
exec python3 -B "$(dirname "$0")/vmm_devices_driver.py" balloon
