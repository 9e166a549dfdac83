#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-cli-commands.sh - every command of carrel against a fake broker: exit codes, JSON, tables, secrets, next steps
# timeout-minutes: 2
set -eu
here=$(cd "$(dirname "$0")" && pwd)
carrel=$CARREL_BUILD_DIR/cli/carrel
[ -x "$carrel" ] || { echo "'$carrel' is not built"; exit 1; }
for program in openssl python3 jq; do
	command -v "$program" >/dev/null || { echo "$program is not installed"; exit 77; }
done

pids=()
# shellcheck disable=SC2317 # called by the trap
end() {
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	wait
}
trap end EXIT

fail() {
	cat broker.log out err
	echo "$*"
	exit 1
}

# LOG ARGUMENTS...: a fake broker, once it listens
start_broker() {
	local log=$1 left=100
	shift
	: >"$log"
	python3 -B "$here/../lib/fake_broker.py" "$@" >"$log" &
	pids+=($!)
	until grep -q '^listening' "$log"; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || fail "the fake broker does not listen"
		sleep 0.1
	done
}

# CODE ARGUMENTS...: runs carrel; its output is in out and err
expect() {
	local wanted=$1 code=0
	shift
	"$carrel" "$@" >out 2>err </dev/null || code=$?
	[ "$code" = "$wanted" ] || fail "'carrel $*' ended with $code, not $wanted"
}

cd "$TMPDIR"
: >broker.log
: >out
: >err
export HOME=$TMPDIR XDG_CONFIG_HOME=$TMPDIR/config LC_ALL=C.UTF-8 TZ=UTC
session=s-aaaaaaaaaaaaaaaaaaaa
desktop=d-aaaaaaaaaaaaaaaaaaaa
job=j-aaaaaaaaaaaaaaaaaaaa
echo '{"host": "abc", "password": "hush", "tls-port": 61000, "ca": "PEM\nMORE", "host-subject": "CN=d"}' >vv.json

# Without a broker: the address and what to do
expect 5 pool list --run "$TMPDIR"
grep -q "'$TMPDIR/broker.sock'.*carrel up.*--run.*--broker" err || fail "an unreachable socket says no next step"
expect 5 pool list --broker 127.0.0.1:1
grep -q "https://127.0.0.1:1'.*--broker" err || fail "an unreachable address says no next step"

start_broker broker.log --socket "$TMPDIR/broker.sock" --page 1 --pools 3 --vv vv.json
export CARREL_RUN_DIR=$TMPDIR

# Every command works, as text and as JSON; lists go on behind the first page
while read -r -a words; do
	expect 0 "${words[@]}"
	[ ! -s err ] || grep -q '^running\|^done' err || fail "'carrel ${words[*]}' complains"
	expect 0 "${words[@]}" --json
	jq . <out >/dev/null && [ -s out ] || fail "'carrel ${words[*]} --json' prints no JSON"
done <<COMMANDS
template build debian-openbox
template build debian-openbox --recipe debian-openbox --wait
template publish debian-openbox --engine qemu --note new
template publish debian-openbox --wait
template verify debian-openbox
template list
template show debian-openbox
pool create office --template debian-openbox --size 3 --user ada --group staff --network none
pool list
pool show office
pool set office --size 4
pool delete office
desktop list
desktop show $desktop
desktop stop $desktop
desktop powerdown $desktop
desktop screenshot $desktop --output $TMPDIR/shot.png
session list
session show $session
session assign office
session vv $session
session timing $session
session revoke $session
session revoke --user ada
session revoke --all
host list
host drain desk
host resume desk
job list
job show $job
job show $job --wait
job cancel $job
version
COMMANDS
expect 0 pool list --json
[ "$(jq length <out)" = 3 ] || fail "'pool list' does not follow the pages"
grep -q '"network": "none"' broker.log || fail "'pool create' does not say the network"
[ "$(head -c 4 "$TMPDIR/shot.png" | tail -c 3)" = PNG ] || fail "'desktop screenshot' writes no PNG"
[ "$(stat -c %a "$TMPDIR/shot.png")" = 600 ] || fail "everybody may look at a screenshot"

# Tables for people
expect 0 session list
grep -q 'SINCE.*' out && grep -q '2023-11-14 22:13:20' out || fail "'session list' shows no moment"
expect 0 template list
grep -q '^IMAGE' out || fail "'template list' does not show the images"
expect 0 template publish debian-openbox --wait
[ "$(cat out)" = "debian-openbox@2 is published and is the current version now" ] || fail "'template publish' does not say the version"
expect 0 template publish debian-openbox --wait --json
[ "$(jq '.version, .current_version' <out | paste -sd' ')" = "2 2" ] || fail "'template publish --json' does not say the version"
expect 0 job show j-dddddddddddddddddddd --wait
[ "$(cat out)" = "debian-openbox@1 is published; the current version is debian-openbox@2" ] ||
	fail "'job show --wait' does not say that another version is the current one"
expect 0 job list
grep -qE '^j-f+ +seal +debian-openbox +1 +done .*it was sealed with CPU carrel-v1$' out ||
	fail "'job list' does not say what a host has begun by itself, and why: $(cat out)"
expect 0 job show j-ffffffffffffffffffff --wait
[ "$(cat out)" = "debian-openbox@1 is sealed again for its host" ] || fail "'job show --wait' does not say what a host has done by itself"
expect 0 template verify debian-openbox --version 1 --wait
[ "$(cat out)" = "debian-openbox@1 is as it was published, and a fork of it answers" ] || fail "'template verify' does not say the result"
grep -q 'templates/debian-openbox/verify {"version": 1} 202' broker.log || fail "'template verify' does not ask for the version"
expect 0 session timing $session
[ "$(awk '$1 == "authenticate" { print $2 }' out)" = 12 ] && grep -q '^waited in all *492 ' out ||
	fail "'session timing' is no table with what the user waited"

# Exit codes
expect 1 session assign kiosk
expect 1 job show j-bbbbbbbbbbbbbbbbbbbb --wait
grep -q 'the fork did not answer' err || fail "a failed job says no reason"
expect 2 nonsense
grep -q "'nonsense'" err || fail "an unknown command is not named"
expect 2 pool
grep -q 'carrel pool create' err || fail "a noun alone does not show its verbs"
expect 2 pool show
expect 2 pool create office --size 3
expect 2 pool set office --size many
expect 2 template verify debian-openbox --version one
expect 2 template publish debian-openbox --version 1
expect 2 pool set office
expect 2 session revoke
expect 2 session revoke $session --all
expect 2 pool list --nonsense
expect 4 pool show nothing
expect 4 host drain nothing
expect 4 template show nothing
expect 4 session timing s-bbbbbbbbbbbbbbbbbbbb

# What cannot be written is not said to be done
for words in 'pool list' 'pool list --json' 'version' 'pool --help'; do
	code=0
	# shellcheck disable=SC2086 # words
	"$carrel" $words >/dev/full 2>err || code=$?
	[ "$code" = 1 ] && [ "$(wc -l <err)" = 1 ] && grep -q 'could not be written.*free space' err ||
		fail "'carrel $words' on a full disk ended with $code"
done

# A connection file is for its owner only, also where an open one was before
expect 0 session assign office
: >desktop.vv
chmod 0666 desktop.vv
expect 0 session vv $session --output desktop.vv
[ "$(stat -c %a desktop.vv)" = 600 ] || fail "the connection file has mode $(stat -c %a desktop.vv)"
grep -qx 'password=hush' desktop.vv && grep -qx 'ca=PEM\\nMORE' desktop.vv && grep -qx 'type=spice' desktop.vv ||
	fail "the connection file is not what a SPICE client reads"
expect 1 session vv $session --output /nonexistent/desktop.vv

# Over TLS: not before somebody has trusted the broker; then prompts, with and without questions
unset CARREL_RUN_DIR
openssl req -x509 -newkey rsa:2048 -nodes -keyout first.key -out first.crt -subj /CN=first -days 2 2>/dev/null
start_broker tls.log --cert first.crt --key first.key
broker=$(sed -n 's/^listening https:..//p' tls.log)
expect 3 login ada --broker "$broker"
grep -q "not known yet.*carrel login" err || fail "an unknown broker says no next step"
[ "$(wc -l <tls.log)" = 1 ] || fail "something was sent to an unknown broker"
mkdir -p config/carrel
echo "$broker $(openssl x509 -in first.crt -noout -fingerprint -sha256 | cut -d= -f2)" >config/carrel/known_hosts
echo hopper | "$carrel" login grace --broker "$broker" --json >out 2>err || fail "'carrel login' ended with $?"
[ "$(jq -r .user <out)" = grace ] || fail "'carrel login --json' does not say the user"
for line in 'The library closes at ten.' 'Your password ends in 3 days.' 'Change it in time.'; do
	grep -q "$line" err || fail "'carrel login' does not show '$line'"
done
! grep -q ' 400 ' tls.log || fail "a batch was answered with another number of answers than it asks for"
[ "$(stat -c %a config/carrel/token)" = 600 ] || fail "the token is open to others"
! grep -q "$(tail -n 1 config/carrel/token)" out err || fail "the token was printed"
expect 0 pool list
expect 0 logout
[ ! -e config/carrel/token ] || fail "the token is still there after logout"
echo wrong >answers
"$carrel" login ada --broker "$broker" <answers >out 2>err && fail "a wrong password was taken"
expect 1 login ada --broker "$broker"
grep -q 'the input ended' err || fail "a log-in without answers does not say why it ended"

# What ends it at the password leaves a terminal that shows what is typed
for number in INT TERM HUP QUIT; do
	said=$(python3 -B "$here/../lib/typed_login.py" $number "$carrel" login ada --broker "$broker") || fail "SIG$number: $said"
	[ "$said" = "SIG$number echo" ] || fail "after SIG$number at the password: $said"
done

# Answers that cannot be sent as they are: nothing is sent, and the next log-in is as always
asked=$(grep -c '"answers"' tls.log)
printf 'lace%0600d\nanalytical\n' 0 >answers
"$carrel" login ada --broker "$broker" <answers >out 2>err && fail "a part of a long answer was taken"
grep -q 'may have 511 bytes at most' err || fail "a long answer is refused without a reason"
printf 'l\344ce\nanalytical\n' >answers
"$carrel" login ada --broker "$broker" <answers >out 2>err && fail "an answer in Latin-1 was taken"
grep -q 'not UTF-8.*a terminal that uses UTF-8' err || fail "an answer in Latin-1 is refused without a reason"
printf 'la\0ce\nanalytical\n' >answers
"$carrel" login ada --broker "$broker" <answers >out 2>err && fail "an answer with a NUL was taken"
[ "$(grep -c '"answers"' tls.log)" = "$asked" ] || fail "a part of an answer was sent"
printf 'lace\nanalytical' >answers
"$carrel" login ada --broker "$broker" <answers >out 2>err || fail "a last line without its end is no answer"
rm answers
echo "$broker $(printf 'AA:%.0s' {1..31})AA" >config/carrel/known_hosts
expect 3 pool list --broker "$broker"
grep -q 'another certificate.*known_hosts' err || fail "a changed certificate says no next step"

# German, where the catalogue is built
catalogue=$(ls "$CARREL_BUILD_DIR"/po/de.gmo "$here"/../../po/de.gmo 2>/dev/null | head -n 1)
if [ -n "$catalogue" ]; then
	mkdir -p locale/de/LC_MESSAGES
	cp "$catalogue" locale/de/LC_MESSAGES/carrel.mo
	LANGUAGE=de CARREL_LOCALE_DIR=$TMPDIR/locale expect 5 pool list --run /nonexistent
	grep -q 'ist nicht zu erreichen' err || fail "the German messages are not used"
fi
echo "all commands, exit codes and messages are as they should be"
