#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-fork-suspend.sh - carrel-vmm on /dev/kvm: a fork is suspended with its own pages, and goes on from there
set -eu
exec python3 -B "$(dirname "$0")/vmm_fork_driver.py" fork_suspend
