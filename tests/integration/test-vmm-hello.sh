#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-hello.sh - carrel-vmm on /dev/kvm: a kernel is entered by PVH, knows its memory and command line, and switches off
set -eu
exec python3 -B "$(dirname "$0")/vmm_driver.py" hello
