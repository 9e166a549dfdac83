#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-move.sh - a suspended desktop goes to another host and back, and its user finds it as it was each time
#
# One broker, two hosts. The other one refuses it while its version is another, and then it is where it was.
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh
. tests/lib/faults.sh
. tests/lib/second_host.sh

# refuses CODE COMMAND...: it must fail, and say so
refuses() {
	local code=$1 said
	shift
	! said=$("$@" 2>&1) || fail "it should have been refused: $*"
	grep -qF "$code" <<<"$said" || fail "it does not say '$code' but: $said"
}

was_refused() {
	[[ $(second_show error) == *"host '$second_name' does not take it"* ]] && second_is testhost suspended
}

# suspend HOST
suspend() {
	carrel desktop suspend "$desktop" >/dev/null
	second_expect "$1" suspended 300
	viewer_close
}

# come_back HOST FIND: its user logs in, and it is the same, on a machine that FIND finds
come_back() {
	viewer_log_in ada office
	[ "$(appliance_session ada)" = "$session $desktop" ] || fail "it is another one: $(appliance_session ada)"
	second_expect "$1" 'assigned|active'
	"$2" "$desktop" qemu >/dev/null || fail "its machine is not on host '$1'"
	viewer_expect "$token" 120
	echo "the token typed before is on the screen, from host '$1'"
}

# is_only_in FOLDER: of the three in which its files may be
is_only_in() {
	local folder found=
	for folder in "$appliance_state/lib/desktops" "$second_state/lib/desktops" "$second_exchange"; do
		[ ! -e "$folder/$desktop/overlay.qcow2" ] || found+="$folder "
		[ ! -e "$folder/$desktop.part" ] || fail "left behind: $folder/$desktop.part"
	done
	[ "$found" = "$1 " ] || fail "its files are in '$found', not in '$1'"
}

has_ended() {
	[ -z "$(appliance_desktops office '.*')" ]
}

second_prepare
appliance_start "exchange = $second_exchange"
appliance_make_pool office 1 ada
screen_start
viewer_log_in ada office
viewer_open_terminal
viewer_type_token
read -r session desktop < <(appliance_session ada)
second_start

refuses 'only a suspended one can be moved' carrel desktop move "$desktop" "$second_name"
suspend testhost
refuses "there is no host 'nohost'" carrel desktop move "$desktop" nohost
refuses "is on host 'testhost' already" carrel desktop move "$desktop" testhost

manifest=$second_state/lib/templates/$appliance_template/1/manifest.json
cp -a "$manifest" "$TMPDIR/manifest"
jq '.files[0].sha256 |= (.[1:] + .[:1])' "$TMPDIR/manifest" >"$TMPDIR/other" && cat "$TMPDIR/other" >"$manifest"
carrel desktop move "$desktop" "$second_name" >/dev/null
wait_until 120 was_refused || fail "it was not refused: $(carrel desktop list 2>&1)"
grep -q 'sealed again, or is another one here' <<<"$(second_show error)" || fail "it is not said why: $(second_show error)"
is_only_in "$appliance_state/lib/desktops"
echo "it has come back: $(second_show error)"
cat "$TMPDIR/manifest" >"$manifest"

carrel desktop move "$desktop" "$second_name" >/dev/null
# whatever it is doing, it begins again
faults_kill carrel-hostd
second_expect "$second_name" suspended
is_only_in "$second_state/lib/desktops"
[ -z "$(second_show error)" ] || fail "it is said that $(second_show error)"
come_back "$second_name" second_find_process
faults_type_token

suspend "$second_name"
carrel desktop move "$desktop" testhost >/dev/null
second_expect testhost suspended
is_only_in "$appliance_state/lib/desktops"
come_back testhost faults_find_process
faults_type_token

carrel pool set office --size 0 >/dev/null
carrel session revoke "$session" >/dev/null
wait_until 60 has_ended || fail "desktops are left: $(carrel desktop list)"
second_stop
[ -z "$(ls -A "$second_exchange")" ] || fail "left in the exchange folder: $(ls "$second_exchange")"
appliance_stop
