#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-platform.sh - carrel-vmm on /dev/kvm: interrupts and clocks work; nothing answers where no device is
set -eu
exec python3 -B "$(dirname "$0")/vmm_driver.py" platform
