#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# run.sh - all benchmarks, one after another (make bench); RUNS=10 takes about 18 minutes on 2 quiet cores
set -u
folder=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
code=0
for script in "$folder"/bench-*.sh; do
	printf '\n%s\n' "$(basename "$script" .sh)"
	started=$SECONDS
	bash "$script" || { echo "$(basename "$script" .sh) failed"; code=1; }
	echo "$((SECONDS - started)) s"
done
exit $code
