#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# published.sh - prints the folder of a published version of the golden image: what tests put in their appliance
#
# It is made when it is missing, as an admin does it: an appliance of its own, its `carrel template publish`; progress
# goes to standard error. Kept like golden images (golden.sh), under a hash of the image and of everything that decides
# what a version holds: our programs' sources, QEMU, the processor.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/tests/lib/cache.sh"

template=debian-openbox

say() {
	printf 'published template: %s\n' "$*" >&2
}

list_ingredients() {
	basename "$1"
	(cd "$root" && cache_hash_tree templates/*.[ch] host/{manifest,qemu,engine_qemu,launch_tree}*.[ch])
	qemu-system-x86_64 --version
	grep -m 2 -E '^(model name|flags)' /proc/cpuinfo
}

# publish IMAGE: in an appliance whose folder is removed by the caller
publish() {
	. "$root/tests/lib/appliance.sh"
	appliance_prepare
	mkdir -p -m 0711 "$appliance_state/lib"
	appliance_place "$1" "$appliance_state/lib/images/$template"
	chown "$appliance_hostd_uid:$appliance_group" "$appliance_state/lib/images"
	appliance_restart
	carrel template publish "$template" --wait >&2
	appliance_stop >&2
	trap - EXIT
}

image=$(bash "$root/tests/lib/golden.sh" "$template")
cache_open
key=$(list_ingredients "$image" | sha256sum | cut -c 1-16)
name=published-$template-$key
cache_lock "$name"
if ! [ -f "$cache/$name/1/manifest.json" ]; then
	started=$SECONDS
	say "making '$cache/$name' (about 2 minutes)"
	cache_make_temporary
	trap 'rm -rf "$temporary"' EXIT
	(export TMPDIR=$temporary && publish "$image" 9>&-) || { say "failed"; exit 1; }
	mv -T "$temporary/s/lib/templates/$template" "$cache/$name"
	rm -rf "$temporary"
	say "made in $((SECONDS - started)) s"
fi
cache_use "$cache/$name"
cache_drop_old "published-$template-*"
echo "$cache/$name/1"
