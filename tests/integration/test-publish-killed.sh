#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-publish-killed.sh - kill -9 at each step of a publish: nothing half visible, the job says so, the next one works
#
# timeout-minutes: 15
# The worker is killed while the guest boots, settles, is saved, is hashed and verified; then hostd; then launch, which
# commits. The version that was there before stays, and nothing is left in staging.
set -eu
. tests/lib/tiny_appliance.sh

staging=

# begin: starts a publish and waits for its worker; sets $job, $staging and $worker
begin() {
	tiny_begin publish
	staging=$appliance_state/lib/staging/$job
	wait_until 60 find_worker || fail "no worker for '$job' was started"
}

find_worker() {
	worker=$(sed -n "s/.*started name=$job role=worker pid=\([0-9]*\).*/\1/p" "$appliance_log")
	[ -n "$worker" ]
}

# kill_at PID SIGNAL CONDITION...: see kill_when.py
kill_at() {
	python3 -B tests/lib/kill_when.py "$@" || fail "the signal was not sent; the job is at '$(tiny_show .step)'"
}

# Failed by name, with what to do; nothing of it is left or to be seen
expect_failure() {
	tiny_wait_state failed
	tiny_says "$1"
	tiny_says 'run the publish again'
	tiny_expect_versions 1
}

tiny_start
carrel template build tiny --wait >/dev/null
carrel template publish tiny --wait >/dev/null
tiny_expect_versions 1

echo "the worker while the guest boots"
begin
kill_at "$worker" KILL "+$staging/machine/control"
expect_failure "signal 9 at step '(start the machine|boot)'"

echo "while it settles"
begin
tiny_wait_step 'wait for the desktop'
kill_at "$worker" KILL
expect_failure "signal 9 at step 'wait for the desktop'"

echo "while it is saved"
begin
kill_at "$worker" KILL "+$staging/qemu/user/state"
expect_failure "signal 9 at step '(wait for the desktop|save the machine)'"

echo "while the version is hashed"
begin
kill_at "$worker" KILL "+$staging/qemu/user/memory" "-$staging/machine"
expect_failure "signal 9 at step 'hash and sync'"

echo "while it is verified"
begin
kill_at "$worker" KILL "+$staging/manifest.json" "+$staging/machine"
expect_failure "signal 9 at step '(fork once|ask its agent)'"

echo "hostd during a publish: its worker ends, the job fails by name, the desktops stay"
begin
kill_at "$(appliance_find_service carrel-hostd)" KILL "+$staging/machine/control"
expect_failure "carrel-hostd was restarted"
[ ! -e "/proc/$worker" ] || fail "the worker of the hostd that was killed lives on"

echo "launch before it commits: all or nothing, and the job tells which"
begin
launch=$(appliance_find_service carrel-launch)
kill_at "$launch" STOP "+$staging/manifest.json" "+$staging/machine"
wait_until 120 tiny_has_ended "$worker" || fail "the worker does not end"
kill_at "$launch" KILL
wait_until 60 tiny_is_over || fail "the job is '$(tiny_show .state)' after the end of launch"
if [ "$(tiny_show .state)" = done ]; then versions="1 2"; else versions=1; fi
tiny_expect_versions "$versions"

echo "launch while it commits, or just after it"
begin
next=$((${versions##* } + 1))
kill_at "$(appliance_find_service carrel-launch)" KILL \
	"$appliance_hostd_uid:$staging/disk.img|$appliance_state/lib/templates/tiny/$next/disk.img"
wait_until 60 tiny_is_over || fail "the job is '$(tiny_show .state)' after the end of launch"
[ "$(tiny_show .state)" != done ] || versions="$versions $next"
tiny_expect_versions "$versions"

echo "the next publish gets the next number, and desktops are made from it"
carrel template publish tiny --wait >/dev/null
tiny_expect_versions "$versions $((${versions##* } + 1))"
appliance_make_pool p 1 ada
appliance_stop
