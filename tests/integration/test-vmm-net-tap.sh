#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-net-tap.sh - carrel-vmm on /dev/kvm: a frame goes each way over a tap device, checksum and division left to the other side
set -eu
user=()
[ "$(id -u)" = 0 ] || user=(--map-root-user)
exec unshare --net "${user[@]}" python3 -B "$(dirname "$0")/vmm_devices_driver.py" net_tap
