#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-fork-idle.sh - carrel-vmm on /dev/kvm: a fork that has run for a while gives back what is its template's after all
set -eu
exec python3 -B "$(dirname "$0")/vmm_idle_driver.py"
