#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# soak.sh - forks in a row, and none of them stuck: 1,000 of a running Linux guest, then 300 of the Debian desktop (make soak)
#
# The first are test-kvm-host-forks with FORKS of them and without the suite's limits of time. Each of the second, of which there are
# RUNS, has its identity from its agent before the next one comes. About an hour on 2 quiet cores.
RUNS=${RUNS:-300}
. "${BASH_SOURCE[0]%/*}/bench.sh"

bench_say "${FORKS:=1000} forks of Linux"
export FORKS RUNS
bash tests/integration/test-kvm-host-forks.sh || exit
bench_say "$RUNS forks of the desktop"
exec bash tests/bench/nested-fork.sh soak
