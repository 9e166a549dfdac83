#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-console.sh - carrel-vmm on /dev/kvm: a port is opened and closed on both sides, a line goes each way, and nonsense does no harm
set -eu
exec python3 -B "$(dirname "$0")/vmm_devices_driver.py" console
