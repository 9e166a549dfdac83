#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# bench-vmm-start.sh - carrel-vmm on this machine's /dev/kvm, contained: exec_to_running_ms
set -eu
. "${BASH_SOURCE[0]%/*}/bench.sh"

[ -w /dev/kvm ] || {
	bench_say "/dev/kvm is needed: not measured"
	exit 0
}
bench_say "$RUNS starts"
python3 -B tests/bench/vmm_running.py "$RUNS" "$TMPDIR" >>"$bench_samples"
bench_end vmm-start kvm
