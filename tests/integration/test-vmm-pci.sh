#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-pci.sh - carrel-vmm on /dev/kvm: PCI's configuration space is the same in both views and survives nonsense
set -eu
exec python3 -B "$(dirname "$0")/vmm_driver.py" pci
