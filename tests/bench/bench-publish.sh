#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# bench-publish.sh - `carrel template publish` of the golden image, by step: publish_s, publish_step_*_ms
#
# RUNS of them (10): each takes the better part of a minute.
set -eu
. "${BASH_SOURCE[0]%/*}/bench.sh"
. tests/lib/appliance.sh

add_steps() {
	carrel_json '(.jobs? // .) | map(select(.kind == "publish")) | max_by(.created_ms) | .result.steps[] |
		"publish_step_\(.name | gsub("[ ,]+"; "_"))_ms\tms\t\(.ms)"' job list >>"$bench_samples"
}

image=$(bash tests/lib/golden.sh "$appliance_template") || fail "there is no golden image"
appliance_prepare
mkdir -p -m 0711 "$appliance_state/lib"
appliance_place "$image" "$appliance_state/lib/images/$appliance_template"
chown "$appliance_hostd_uid:$appliance_group" "$appliance_state/lib/images"
appliance_restart
for ((i = 1; i <= RUNS; i++)); do
	bench_say "publish $i of $RUNS"
	started=${EPOCHREALTIME/./}
	carrel template publish "$appliance_template" --wait >/dev/null 2>&1 || fail "the publish failed"
	ended=${EPOCHREALTIME/./}
	bench_add publish_s s "$(awk -v us=$((ended - started)) 'BEGIN { printf "%.2f", us / 1e6 }')"
	add_steps
done
appliance_stop
bench_end publish qemu
