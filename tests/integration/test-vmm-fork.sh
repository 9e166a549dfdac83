#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-fork.sh - carrel-vmm on /dev/kvm: a sealed machine goes on in others, each with an identity of its own
set -eu
exec python3 -B "$(dirname "$0")/vmm_fork_driver.py" fork
