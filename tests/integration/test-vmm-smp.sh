#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-smp.sh - carrel-vmm on /dev/kvm: the other CPUs start when they are told to
set -eu
exec python3 -B "$(dirname "$0")/vmm_driver.py" smp
