#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-kvm-host-forks.sh - on real KVM a hundred forks of a Linux guest in a row go on, and 20 at once: clocks, vector registers and
# disk; one gives memory back
#
# The guest has two CPUs with a clock on each, and is sealed while fio writes to its disk (tests/lib/kvm_forks.py). FORKS is how
# many there are in a row; `make soak` has 1,000.
# timeout-minutes: 12
set -u
. tests/lib/kvm_host.sh

forks=${FORKS:-100}
work=/dev/shm/forks # in the KVM host

fail() {
	echo "$*"
	exit 1
}

[[ $forks =~ ^[1-9][0-9]{0,4}$ ]] || fail "FORKS is a number from 1 to 99999, not '$forks'"
seconds=$((210 + forks * 4)) # once the KVM host is up; the end for a machine that is slow
trap kvm_host_stop EXIT
bash tests/lib/ticker_guest.sh "$TMPDIR/kvm-host/guest" || fail "there is no guest"
kvm_host_start || fail "there is no KVM host"
kvm_host_begin "echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled
mkdir $work
exec python3 -B '$PWD/tests/lib/kvm_forks.py' '$CARREL_BUILD_DIR/vmm/carrel-vmm' '$kvm_host_share/guest' $work $forks"
code=0
kvm_host_finish "$kvm_host_command" "$seconds" || code=$?
[ "$code" != 124 ] || fail "$forks forks are not done after $seconds s"
exit "$code"
