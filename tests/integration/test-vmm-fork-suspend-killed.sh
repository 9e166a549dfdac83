#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-fork-suspend-killed.sh - carrel-vmm on /dev/kvm: a fork that is killed while it is suspended can be resumed when all was saved
set -eu
exec python3 -B "$(dirname "$0")/vmm_fork_kill_driver.py" suspend
