#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-refusals.sh - what carrel-vmm cannot run it refuses at once, with one clear line
set -eu
[ -w /dev/kvm ] || { echo '/dev/kvm is needed' && exit 77; }
exec python3 -B "$(dirname "$0")/vmm_refusals.py"
