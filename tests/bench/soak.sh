#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# soak.sh - 1,000 forks of a running Linux guest in a row, and none of them stuck (make soak)
#
# It is test-kvm-host-forks with FORKS of them and without the suite's limits of time.
. "${BASH_SOURCE[0]%/*}/bench.sh"

bench_say "${FORKS:=1000} forks"
export FORKS
exec bash tests/integration/test-kvm-host-forks.sh
