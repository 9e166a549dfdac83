#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-net.sh - carrel-vmm on /dev/kvm: a frame goes each way, the link comes and goes, and nonsense does no harm
set -eu
exec python3 -B "$(dirname "$0")/vmm_devices_driver.py" net
