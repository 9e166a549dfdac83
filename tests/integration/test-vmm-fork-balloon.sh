#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-fork-balloon.sh - carrel-vmm on /dev/kvm: pages that a fork gives or reports are the host's again, and come back as the template's
set -eu
exec python3 -B "$(dirname "$0")/vmm_fork_driver.py" fork_balloon
