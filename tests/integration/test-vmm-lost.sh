#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-lost.sh - carrel-vmm on /dev/kvm: a guest that KVM cannot go on with has failed, and says where; carrel-vmm lives
set -eu
exec python3 -B "$(dirname "$0")/vmm_devices_driver.py" lost
