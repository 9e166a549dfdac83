#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# fuzz.sh - builds the fuzzers with clang and libFuzzer in build/fuzz and runs each for FUZZ_SECONDS (60)
#
#   FUZZ_SECONDS=600 tests/fuzz/fuzz.sh [MODULE...]
#
# New inputs go to build/fuzz/found/<module>/, crashes to build/fuzz/crash-<module>-*. Copy what matters
# into tests/fuzz/corpus/<module>/.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$root/build/fuzz
seconds=${FUZZ_SECONDS:-60}

command -v clang >/dev/null || { echo "clang is missing: run ./check, or install the packages in packages.txt"; exit 1; }
[ -x "$root/configure" ] || "$root/autogen.sh"
mkdir -p "$build"
cd "$build"
[ -f Makefile ] || "$root/configure" CC=clang --enable-sanitizers --enable-fuzzers --disable-nls \
	CFLAGS="-g -O1 -fsanitize=fuzzer-no-link"
make -s -j"$(nproc)"
make -s -C tests/fuzz -j"$(nproc)" check TESTS=

failed=0
for program in tests/fuzz/fuzz_*; do
	module=${program##*/fuzz_}
	[ -x "$program" ] && [ "${module%.*}" = "$module" ] || continue
	[ $# -eq 0 ] || [[ " $* " = *" $module "* ]] || continue
	mkdir -p "found/$module"
	"$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="crash-$module-" "found/$module" "$root/tests/fuzz/corpus/$module" || failed=1
done
exit $failed
