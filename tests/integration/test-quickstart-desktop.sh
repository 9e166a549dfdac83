#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-quickstart-desktop.sh - ./quickstart without a screen, with its template there already: picture, and nothing left over;
# then again on a screen: everything is kept
set -eu
. tests/lib/appliance.sh

# count_pixels COLOUR: of the picture
count_pixels() {
	convert "$picture" -format %c histogram:info:- | grep -i "$1" | sed 's/ *\([0-9]*\):.*/\1/' | head -n 1
}

list_accounts() {
	sha256sum /etc/passwd /etc/shadow /etc/group /etc/gshadow
}

# expect_end: nothing of it runs any more, and no account was made on this machine
expect_end() {
	wait_until 20 appliance_is_gone || fail "something still runs: $(appliance_describe_processes)"
	[ "$(list_accounts)" = "$accounts" ] || fail "the machine's accounts are others than before"
}

accounts=$(list_accounts)
appliance_prepare
appliance_place_template
picture=$appliance_root/quickstart.png
rm -f "$picture"
env -u DISPLAY "$appliance_root/quickstart" --state "$appliance_state" --config "$TMPDIR/carrel.conf" >"$TMPDIR/out" 2>&1 ||
	fail "quickstart failed: $(tail -n 5 "$TMPDIR/out")"
grep -q "the desktop is there: $picture" "$TMPDIR/out" || fail "it does not say where the picture is"
! grep -q 'golden image\|publishing' "$TMPDIR/out" || fail "it makes again what is there"
grep -q "desktops run on engine qemu: '.*carrel host doctor' says why" "$TMPDIR/out" || fail "it does not say the engine"
# the panel's and the background's colours, as the recipe says: so many only when the desktop fills the viewer
[ "$(count_pixels '#2B3440')" -gt 10000 ] || fail "the picture shows no panel"
[ "$(count_pixels '#3B5068')" -gt 100000 ] || fail "the picture shows no desktop"
expect_end
password=$(sed -n "s/.*made the user 'demo' with the password '\([a-z2-7]*\)'.*/\1/p" "$TMPDIR/out")
[ -n "$password" ] && [ "$password" = "$(cat "$appliance_state/demo-password")" ] || fail "the first start prints no password, or another"
[ "$(grep -cF "$password" "$TMPDIR/out")" = 1 ] || fail "the password is printed more than once"
[ "$(stat -c %a "$appliance_state/demo-password")" = 600 ] || fail "the password's file is open to others"
echo "the picture shows a desktop: $(grep -c . "$TMPDIR/out") lines in $SECONDS s"

begun=$SECONDS
screen_start
"$appliance_root/quickstart" --state "$appliance_state" --config "$TMPDIR/carrel.conf" >"$TMPDIR/again" 2>&1 &
quickstart=$!
wait_until 300 screen_find '^Log in' >/dev/null || fail "the second quickstart opens no viewer: $(tail -n 5 "$TMPDIR/again")"
echo "the second one opens the viewer after $((SECONDS - begun)) s"
# as Ctrl+C, which a job in the background would ignore
kill -TERM "$quickstart"
code=0
wait "$quickstart" || code=$?
[ "$code" = 130 ] || fail "the second quickstart ended with $code: $(tail -n 5 "$TMPDIR/again")"
! grep 'installing\|preparing\|configuring\|golden image\|publishing' "$TMPDIR/again" || fail "it makes again what is there"
! grep '^ *CC ' "$CARREL_BUILD_DIR/quickstart.log" || fail "it compiles again what is there"
! grep -F "$password" "$TMPDIR/again" || fail "it prints the password again"
grep -q "log in as 'demo' with the password in $appliance_state/demo-password" "$TMPDIR/again" ||
	fail "it does not say where the password is: $(cat "$TMPDIR/again")"
screen_stop
expect_end

# As where the template was published on hardware that engine kvm can use: only the words are looked at
version=$appliance_state/lib/templates/$appliance_template/1
jq '.engine.name = "kvm"' "$version/manifest.json" >"$TMPDIR/manifest.json"
chown --reference "$version/manifest.json" "$TMPDIR/manifest.json"
chmod --reference "$version/manifest.json" "$TMPDIR/manifest.json"
mv -f "$TMPDIR/manifest.json" "$version/manifest.json"
env -u DISPLAY "$appliance_root/quickstart" --state "$appliance_state" --config "$TMPDIR/carrel.conf" >"$TMPDIR/kvm" 2>&1 &
quickstart=$!
wait_until 120 grep -q 'desktops run on engine' "$TMPDIR/kvm" || fail "the third quickstart says no engine: $(tail -n 5 "$TMPDIR/kvm")"
kill -TERM "$quickstart"
wait "$quickstart" || true
grep "desktops run on engine kvm: '.*carrel host doctor' says why" "$TMPDIR/kvm" || fail "it says another engine: $(cat "$TMPDIR/kvm")"
expect_end
