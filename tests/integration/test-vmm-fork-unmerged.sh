#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-fork-unmerged.sh - carrel-vmm on /dev/kvm: the kernel may not merge a fork's memory with that of other machines
set -eu
exec python3 -B "$(dirname "$0")/vmm_fork_host_driver.py" unmerged
