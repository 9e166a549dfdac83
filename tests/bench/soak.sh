#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# soak.sh - many forks in the KVM host, and none of them stuck or like another: 1,000 of a running Linux guest in a row, 100 desktops
# that are compared, then 300 of the Debian desktop in a row and 20 at once; and the Debian desktop as an admin publishes it (make soak)
#
# The first are test-kvm-host-forks with FORKS of them, the second test-kvm-host-fork with IDENTITIES, both without the suite's limits
# of time. Each of the third, of which there are RUNS, has its identity from its agent before the next one comes; each of the 20 has a
# user, who types what time it is there. The first and the third end with the files that were forked from as they were, the second and
# the third with a host that is unharmed. The fourth, nested-publish.sh, is the one that seals the Debian desktop by carrel-worker. Two
# hours on 2 quiet cores.
RUNS=${RUNS:-300}
. "${BASH_SOURCE[0]%/*}/bench.sh"

parts=0

# run_part SCRIPT...: each has a KVM host of its own, and so a folder
run_part() {
	parts=$((parts + 1))
	mkdir -m 0711 "$TMPDIR/$parts"
	TMPDIR=$TMPDIR/$parts bash "$@"
}

bench_say "${FORKS:=1000} forks of Linux"
export RUNS
FORKS=$FORKS run_part tests/integration/test-kvm-host-forks.sh || exit
bench_say "${IDENTITIES:=100} desktops are compared"
FORKS=$IDENTITIES run_part tests/integration/test-kvm-host-fork.sh || exit
bench_say "$RUNS forks of the desktop"
run_part tests/bench/nested-fork.sh soak || exit
bench_say "the Debian desktop is published"
run_part tests/bench/nested-publish.sh
