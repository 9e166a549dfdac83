#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-vmm-seat.sh - carrel-vmm on /dev/kvm: a picture drawn by the guest is seen, and by hostd, a key typed is felt, and nonsense does no harm
set -eu
exec python3 -B "$(dirname "$0")/vmm_driver.py" seat
