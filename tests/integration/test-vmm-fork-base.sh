#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-fork-base.sh - carrel-vmm on /dev/kvm: what one fork has read of its template's disk is in the page cache for the next
set -eu
[ "$(id -u)" = 0 ] || { echo "root is needed: it may see what a contained process has read" && exit 77; }
[ "$(stat -f -c %T "$TMPDIR")" != tmpfs ] || { echo "TMPDIR is in memory: nothing is read from a disk there" && exit 77; }
exec python3 -B "$(dirname "$0")/vmm_fork_host_driver.py" base
