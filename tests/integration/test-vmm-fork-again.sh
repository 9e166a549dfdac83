#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-fork-again.sh - carrel-vmm on /dev/kvm: a fork that is reset boots as any machine does
set -eu
exec python3 -B "$(dirname "$0")/vmm_fork_driver.py" fork_again
