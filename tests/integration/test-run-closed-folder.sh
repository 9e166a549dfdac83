#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-run-closed-folder.sh - ./run works from a tree that only root can reach, as a clone in root's home is
set -eu
. tests/lib/appliance.sh

appliance_prepare
tree=$TMPDIR/closed
mkdir -m 0700 "$tree"
mkdir -p "$tree/templates" "$tree/build"
cp run "$tree/"
cp -r data "$tree/"
cp -r templates/recipes "$tree/templates/"
touch "$tree/build/config.status"
for program in "$CARREL_BUILD_DIR"/*/carrel*; do
	[ -f "$program" ] && [ -x "$program" ] || continue
	folder=${program%/*}
	mkdir -p "$tree/build/${folder##*/}"
	cp "$program" "$tree/build/${folder##*/}/"
done
export CARREL_BUILD_DIR=$tree/build
unset CARREL_LIBEXEC_DIR CARREL_DATA_DIR CARREL_SOURCE_DIR CARREL_LOCALE_DIR
copies=/var/lib/carrel/uninstalled/$(printf '%s' "$tree/build" | sha256sum | cut -c 1-16)
trap 'code=$?; rm -rf "$copies"; (exit $code); appliance_handle_exit' EXIT

appliance_root=$tree
appliance_log_start=0
appliance_run_up
echo "the services run: they reach copies in '$copies'"
[ "$(carrel template list --json)" = "[]" ] || fail "the broker does not answer"

echo "a program that was built again is taken"
before=$(stat -c %i "$copies/libexec/carrel")
touch "$tree/build/cli/carrel"
"$tree/run" carrel --version
[ "$(stat -c %i "$copies/libexec/carrel")" != "$before" ] || fail "the old copy is still there"
appliance_stop
