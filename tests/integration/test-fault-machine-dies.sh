#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-fault-machine-dies.sh - a QEMU that dies in use, at its start, and while it takes a damaged template's state over
#
# Each time one clear reason is told, a pool that cannot work rests and says so, and nobody else's desktop suffers.
set -eu
# QEMU's program is replaced for this test alone: in a mount namespace of its own
if [ "${CARREL_TEST_NAMESPACE:-}" != own ]; then
	[ "$(id -u)" = 0 ] || { echo "root is needed: services and desktops get uids of their own"; exit 77; }
	CARREL_TEST_NAMESPACE=own exec unshare --mount --propagation private bash "$0"
fi
. tests/lib/appliance.sh
. tests/lib/viewer.sh
. tests/lib/faults.sh

qemu=$(command -v qemu-system-x86_64)

# place_damaged NAME COMMAND: a template of this name, whose state file the command has damaged
place_damaged() {
	local folder=$appliance_state/lib/templates/$1
	appliance_place "$appliance_state/lib/templates/$appliance_template/1" "$folder/1"
	# its files are the cache's own (hard links): they are replaced, never changed
	jq --arg name "$1" '.name = $name' "$folder/1/manifest.json" >"$TMPDIR/manifest.json"
	cp "$folder/1/qemu/user/state" "$TMPDIR/state"
	"$2" "$TMPDIR/state"
	chmod 0444 "$TMPDIR/state" "$TMPDIR/manifest.json"
	mv -f "$TMPDIR/manifest.json" "$folder/1/"
	mv -f "$TMPDIR/state" "$folder/1/qemu/user/"
	find "$folder" \( -type d -o -name state -o -name manifest.json \) \
		-exec chown "$appliance_hostd_uid:$appliance_group" {} +
}

cut_short() {
	truncate -s 4096 "$1"
}

overwrite() {
	dd if=/dev/urandom of="$1" bs=4096 count=16 seek=1 conv=notrunc status=none
}

pool_says() {
	carrel_json "(.pools? // .)[] | select(.name == \"$1\") | .error" pool list
}

pool_rests() {
	[ -n "$(pool_says "$1")" ]
}

# expect_rest TEMPLATE REASON: a pool of it fails for this reason (a regular expression), rests, and says both
expect_rest() {
	local reasons
	carrel pool create "$1" --template "${3:-$1}" --size 1 --user ada >/dev/null
	wait_until 60 pool_rests "$1" || fail "the pool '$1' does not rest: $(carrel desktop list)"
	grep -q "carrel desktop list" <<<"$(pool_says "$1")" || fail "the pool '$1' says only: $(pool_says "$1")"
	grep -q "pool '$1': 5 of its desktops failed" "$appliance_log" || fail "the log does not tell that '$1' rests"
	reasons=$(carrel_json "(.desktops? // .)[] | select(.pool == \"$1\" and .state == \"failed\") | .error" desktop list)
	[ "$(wc -l <<<"$reasons")" = 5 ] || fail "'$1' tried $(wc -l <<<"$reasons") times, not 5: $reasons"
	! grep -vE "$2" <<<"$reasons" || fail "that is not why '$1' fails: '$2'"
	echo "$1: $(head -n 1 <<<"$reasons")"
	carrel pool delete "$1" >/dev/null
}

appliance_prepare
appliance_place_template
place_damaged cut cut_short
place_damaged torn overwrite
appliance_restart
appliance_make_pool office 1 ada
faults_begin office

printf '#!/bin/sh\necho "no memory today" >&2\nexit 3\n' >"$TMPDIR/broken"
chmod 0755 "$TMPDIR/broken"
mount --bind "$TMPDIR/broken" "$qemu"
expect_rest broken 'no memory today' "$appliance_template"
umount -l "$qemu"
expect_rest cut "state.*(size|publish)"
expect_rest torn 'the fork failed: load the state'
faults_expect_same "while other pools failed"

kill -KILL "$machine"
wait_until 60 faults_is_told 'desktop has ended' ||
	fail "the viewer does not say that the desktop has ended, but: $(faults_notices ada)"
viewer_is 'listing|choosing' || fail "the viewer is '$(viewer_state)'"
closed() {
	! appliance_session ada >/dev/null
}
wait_until 30 closed || fail "ada's session is not closed: $(carrel session list)"
reason=$(carrel_json "(.desktops? // .)[] | select(.id == \"$desktop\") | .error" desktop list)
grep -q 'its machine ended by itself' <<<"$reason" || fail "the reason told is '$reason'"
appliance_wait office ready 1 60
echo "QEMU killed: the viewer says '$(faults_notices ada | tail -n 1)', the desktop's reason is '$reason'"

viewer_focus
viewer_close
viewer_log_in ada office
appliance_wait office active 1 60
read -r _ now < <(appliance_session ada)
[ "$now" != "$desktop" ] || fail "ada got the desktop that had died"
viewer_open_terminal
faults_type_token
echo "a new log-in gets a new desktop"
appliance_stop
