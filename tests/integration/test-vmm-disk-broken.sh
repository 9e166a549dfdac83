#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-disk-broken.sh - carrel-vmm on /dev/kvm: what cannot be read is an error to the guest and one line in the log
set -eu
exec python3 -B "$(dirname "$0")/vmm_storage_driver.py" broken
