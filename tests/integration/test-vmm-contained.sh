#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-contained.sh - carrel-vmm on /dev/kvm: what is not contained says what it could do, and starts no guest
set -eu
exec python3 -B "$(dirname "$0")/vmm_driver.py" contained
