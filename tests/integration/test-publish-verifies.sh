#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-publish-verifies.sh - an image becomes a version that verifies; damage is found; cancel and kill leave no version
#
# timeout-minutes: 15
# CARREL_IMAGE_DIR: disk.img, kernel, initrd and image.json of a built image
set -eu
image=${CARREL_IMAGE_DIR:-}
for file in disk.img kernel initrd image.json; do
	if [ -z "$image" ] || [ ! -r "$image/$file" ]; then
		echo "CARREL_IMAGE_DIR names no folder with a readable $file: build an image first"
		exit 77
	fi
done
worker=$CARREL_BUILD_DIR/templates/carrel-worker
stage=$TMPDIR/version

fail() {
	echo "$1"
	exit 1
}

job() {
	python3 tests/lib/worker_job.py "$worker" "$@"
}

publish_arguments() {
	printf '{"template":"test","version":1,"image":"%s","staging":"%s","author":"root","engine":"qemu",' "$image" "$1"
	printf '"ram_mib":1024,"note":""}'
}

mkdir "$TMPDIR/scratch"
verify_arguments='{"template":"test","version":1,"folder":"'$stage'","staging":"'$TMPDIR/scratch'","engine":"qemu"}'

echo "cancelled while it boots: nothing is left"
mkdir "$TMPDIR/cancelled"
job publish "$(publish_arguments "$TMPDIR/cancelled")" --cancel boot && fail "a cancelled job ended well"
[ -z "$(ls -A "$TMPDIR/cancelled")" ] || fail "the cancelled job left files"

echo "killed while it boots: QEMU ends too, and there is no manifest"
mkdir "$TMPDIR/killed"
job publish "$(publish_arguments "$TMPDIR/killed")" --kill boot && fail "a killed job ended well"
for _ in $(seq 50); do
	holders=$(find /proc/[0-9]*/fd -lname "$TMPDIR/killed/*" 2>/dev/null || true)
	[ -n "$holders" ] || break
	sleep 0.1
done
[ -z "$holders" ] || fail "a process of the killed job lives on: $holders"
[ ! -e "$TMPDIR/killed/manifest.json" ] || fail "the killed job wrote a manifest"
rm -r "$TMPDIR/killed"

echo "published"
mkdir "$stage"
job publish "$(publish_arguments "$stage")"
[ "$(cd "$stage" && find . -type f | sort | tr '\n' ' ')" = \
	"./disk.img ./initrd ./kernel ./manifest.json ./qemu/user/memory ./qemu/user/state " ] ||
	fail "the version holds other files than it should: $(find "$stage")"

echo "verified"
job verify "$verify_arguments"

echo "one byte of the kernel changed: named"
printf '\377' | dd of="$stage/kernel" bs=1 seek=4000 conv=notrunc status=none
answer=$(job verify "$verify_arguments") && fail "a damaged version verified"
echo "$answer"
grep -q "$stage/kernel.*damaged" <<<"$answer" || fail "the damaged file is not named"
[ -z "$(ls -A "$TMPDIR/scratch")" ] || fail "verifying left files"
