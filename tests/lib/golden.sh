#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# golden.sh - prints the folder of a golden image (disk.img, kernel, initrd, image.json): golden.sh [RECIPE]
#
# The image is made when it is missing, as the product makes it: carrel-worker's job "build", as root of a user
# namespace; progress goes to standard error. Images are kept in /var/cache/carrel (XDG_CACHE_HOME/carrel where that
# cannot be written), in folders named after what they were made from; the least recently used go.
# CARREL_BUILD_DIR: the build whose agent goes into the image; not into those of tests/recipes/.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/tests/lib/cache.sh"
. "$root/tests/lib/recipe_job.sh"

recipe=${1:-debian-openbox}
build=${CARREL_BUILD_DIR:-$root/build}

say() {
	printf 'golden image: %s\n' "$*" >&2
}

fail() {
	say "$*"
	exit 1
}

# The steps as they begin, and each next tenth of the work
show_progress() {
	local percent step rest shown=
	while read -r percent step rest; do
		[[ $percent = *% ]] || continue
		[ "$step ${percent%?%}" = "$shown" ] || say "$percent $step $rest"
		shown="$step ${percent%?%}"
	done
}

# make_image FOLDER
make_image() {
	local folder=$1
	recipe_job_prepare "$folder" "$recipe" "$build/templates/carrel-worker" "$agent"
	recipe_job_run "$folder" "$recipe" > >(tee "$folder/job.out" | show_progress) 2>"$folder/job.err" 9>&- &
	job=$!
	wait "$job" ||
		{ tail -n 20 "$folder/image/build.log" && tail -n 3 "$folder/job.err" "$folder/job.out"; return 1; } >&2
	job=
	chown -R 0:0 "$folder/image"
	chmod -R u=rwX,go=rX "$folder/image"
}

recipe_job_find "$recipe" || fail "there is no recipe '$recipe'"
[ -x "$build/templates/carrel-worker" ] && [ -x "$build/agent/carrel-agent" ] ||
	fail "'$build' holds no carrel-worker or no carrel-agent: build them first"
cache_open || fail "no folder for it can be written"
# stripped, builds in different folders have the same agent
agent=$(mktemp "$cache/agent.XXXXXX")
trap 'rm -f "$agent"' EXIT
if [ "$recipe_folder" = "$root/templates/recipes/$recipe" ]; then
	objcopy --strip-all --remove-section .note.gnu.build-id "$build/agent/carrel-agent" "$agent"
	key=$(cache_hash_tree "$recipe_folder" "$agent" /etc/debian_version)
else
	cp /usr/bin/true "$agent"
	key=$(cache_hash_tree "$recipe_folder" "$recipe_build" /etc/debian_version)
fi
image=$cache/golden-$recipe-$key
cache_lock "golden-$recipe-$key"
if ! [ -f "$image/image.json" ]; then
	[ "$(id -u)" = 0 ] || fail "making it takes root"
	started=$SECONDS
	say "making '$image' (about 2 minutes)"
	job=
	cache_make_temporary
	trap 'rm -rf "$agent" "$temporary"' EXIT
	trap '[ -z "$job" ] || kill "$job"; exit 130' INT TERM
	make_image "$temporary" || fail "the build failed"
	[ -f "$temporary/image/image.json" ] || fail "the build left no image.json"
	mv -T "$temporary/image" "$image"
	rm -rf "$temporary"
	say "made in $((SECONDS - started)) s"
fi
cache_use "$image"
cache_drop_old "golden-$recipe-*"
echo "$image"
