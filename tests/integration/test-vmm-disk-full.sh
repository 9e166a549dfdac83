#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-disk-full.sh - carrel-vmm on /dev/kvm: without room on the host the machine waits, and loses nothing
set -eu
[ "$(id -u)" -eq 0 ] || { echo "root is needed, to mount a small file system"; exit 77; }
exec unshare --mount --propagation private python3 -B "$(dirname "$0")/vmm_storage_driver.py" full
