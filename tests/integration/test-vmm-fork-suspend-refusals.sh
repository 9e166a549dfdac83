#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-fork-suspend-refusals.sh - carrel-vmm on /dev/kvm: pages of another fork or template, and damaged ones, are refused
set -eu
exec python3 -B "$(dirname "$0")/vmm_fork_driver.py" fork_suspend_refusals
