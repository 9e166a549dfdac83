#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# fuzz.sh - builds the fuzzers with clang and libFuzzer in build/fuzz and runs each for FUZZ_SECONDS (60)
#
#   FUZZ_SECONDS=600 tests/fuzz/fuzz.sh [MODULE...]
#
# New inputs go to build/fuzz/found/<module>/, crashes to build/fuzz/crash-<module>-*. Copy what matters
# into tests/fuzz/corpus/<module>/. A table of executions and branches ends it, and stays in build/fuzz/results.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${FUZZ_BUILD_DIR:-$root/build/fuzz}
seconds=${FUZZ_SECONDS:-60}

command -v clang >/dev/null || { echo "clang is missing: run ./check, or install the packages in packages.txt"; exit 1; }
[ -x "$root/configure" ] || "$root/autogen.sh"
mkdir -p "$build"
cd "$build"
[ -f Makefile ] || "$root/configure" CC=clang --enable-sanitizers --enable-fuzzers --disable-nls \
	CFLAGS="-g -O1 -fsanitize=fuzzer-no-link -fprofile-instr-generate -fcoverage-mapping"
make -s -j"$(nproc)"
make -s -C tests/fuzz -j"$(nproc)" check TESTS=

mkdir -p coverage
results=$PWD/results
: >"$results"

# What a module has beside the files whose names begin as its own does (overlay: overlay_file.c, overlay_table.c)
declare -A more_files=(
	[devices_state]='serial|rtc|acpi_pm|hda_state|hda_codec'
	[legacy_devices]='serial|rtc|rtc_time|acpi_pm'
	[machine_state]='machine_memory|vcpu_state|kvm|devices_state|vmgenid'
	[seat_link]='link_scanout|link_sound'
	[virtio_blk]='disk|disk_io'
	[virtio_console]='port_peer'
	[virtio_gpu]='gpu_command|gpu_resource|edid|seat'
	[virtio_net]='net_stream|net_peer|net_checksum'
	[virtio_pci]='virtio|virtio_registers|pci_device|pci_msix'
	[virtio_state]='pci_state|gpu_state|virtio_console_state'
	[vmm_control]='control|control_news'
)
least_virtqueue=95 # per cent of its branches: all that guests say passes it

# measure_branches MODULE: how many branches of its files its inputs have taken, both those kept and those found now
measure_branches() {
	[ -f "coverage/$1.profraw" ] || return 0
	llvm-profdata merge -o "coverage/$1.profdata" "coverage/$1.profraw"
	llvm-cov report "tests/fuzz/fuzz_$1" -instr-profile="coverage/$1.profdata" |
		awk -v files="^(.*/)?($1[a-z_]*|${more_files[$1]:-$1})[.]c$" '$1 ~ files && $1 !~ /tests/ { printf " %s %s", $1, $NF }'
}

failed=0
for program in tests/fuzz/fuzz_*; do
	module=${program##*/fuzz_}
	[ -x "$program" ] && [ "${module%.*}" = "$module" ] || continue
	[ $# -eq 0 ] || [[ " $* " = *" $module "* ]] || continue
	mkdir -p "found/$module"
	log=found/$module.log
	LLVM_PROFILE_FILE=coverage/$module.profraw "$program" -max_total_time="$seconds" -timeout=10 \
		-rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="crash-$module-" "found/$module" \
		"$root/tests/fuzz/corpus/$module" 2>&1 | tee "$log"
	[ "${PIPESTATUS[0]}" -eq 0 ] || failed=1
	printf '%-16s %10s executions, branches:%s\n' "$module" \
		"$(awk '/^stat::number_of_executed_units/ { print $2 }' "$log")" "$(measure_branches "$module")" >>"$results"
done
cat "$results"
awk -v least="$least_virtqueue" '/virtqueue[.]c [0-9.]+%/ {
	sub(/.*virtqueue[.]c /, "")
	if ($0 + 0 < least) { print "virtqueue.c: fewer than " least " % of its branches were taken"; exit 1 }
}' "$results" || failed=1
exit $failed
