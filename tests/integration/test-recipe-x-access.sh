#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-recipe-x-access.sh - a sealed desktop's X server has no cookie to share, and lets in root and who is admitted
#
# The recipe's own scripts, with Xvfb as their Xorg, in mount and network namespaces: /run, /tmp and the abstract sockets are the test's.
set -eu
[ "$(id -u)" = 0 ] || { echo "root is needed: namespaces, and a client with another uid"; exit 77; }
[ "${1:-}" = inside ] || exec unshare --mount --net --pid --fork --mount-proc --kill-child bash "$0" inside

carrel=/usr/libexec/carrel
x=/run/carrel-x
server=

fail() {
	echo "$*"
	exit 1
}

prepare() {
	cp -R templates/recipes/debian-openbox/files$carrel "$TMPDIR/scripts"
	cat >"$TMPDIR/scripts/Xorg" <<-'END'
		#!/bin/sh
		[ "$1 $2" = ":0 vt7" ] && shift 2
		exec Xvfb :0 $(echo "$*" | sed 's/-background none//; s/-logfile [^ ]*//')
	END
	chmod +x "$TMPDIR/scripts/Xorg"
	mount -t tmpfs tmpfs /usr/libexec
	mkdir $carrel
	mount --bind "$TMPDIR/scripts" $carrel
	mount -t tmpfs tmpfs /run
	mount -t tmpfs tmpfs /tmp
	mkdir /run/carrel
	unset XAUTHORITY
	export HOME=/nonexistent DISPLAY=:0 PATH=$carrel:$PATH
}

# what systemd does for carrel-x.service
start_x() {
	rm -rf $x
	mkdir -m 0711 $x
	x-start >/run/x.log 2>&1 &
	server=$!
}

stop_x() {
	kill "$server"
	wait "$server" || true
}

as_nobody() {
	setpriv --reuid nobody --regid nogroup --clear-groups "$@" >/dev/null 2>&1
}

# expect_closed: to all but root, who needs no cookie; there is none in a file either
expect_closed() {
	xhost >/run/access 2>&1 || fail "$1: root does not get in: $(cat /run/access /run/x.log)"
	[ "$(tail -n +2 /run/access)" = SI:localuser:root ] || fail "$1: more than root is admitted: $(cat /run/access)"
	! as_nobody xhost || fail "$1: the user nobody gets in, too"
	! [ -e $x/auth ] || fail "$1: there is a cookie"
}

# The server's number is in the pipe when it answers; it is put back for x-waiting.
await_answer() {
	local number
	until [ -p $x/ready ]; do
		kill -0 "$server" || fail "x-start has ended: $(cat /run/x.log)"
		sleep 0.05
	done
	exec 4<>$x/ready
	read -r -t 60 number <&4 || fail "the X server does not answer: $(cat /run/x.log)"
	echo "$number" >&4
}

prepare
start_x
await_answer
! [ -e $x/auth ] || fail "the server that is sealed has a cookie"
x-waiting
expect_closed "at the seal"
echo "at the seal there is no cookie, and only root gets in"

MAINPID=1 session-admit nobody &
read -r _ <$x/admit
as_nobody xhost || fail "who is admitted does not get in"
echo up >$x/session
wait $! || fail "session-admit failed"
echo "who is admitted gets in"
stop_x

cookies=
for _ in 1 2; do
	start_x
	await_answer
	cookies+="$(xauth -f $x/auth list | awk '{ print $NF }') "
	! as_nobody xhost || fail "after the session, the user nobody gets in before x-waiting"
	x-waiting
	expect_closed "after the session"
	stop_x
done
[[ $cookies =~ ^([0-9a-f]{32})\ ([0-9a-f]{32})\ $ ]] || fail "no cookies of 128 bits: $cookies"
[ "${BASH_REMATCH[1]}" != "${BASH_REMATCH[2]}" ] || fail "the cookie is the same again: $cookies"
echo "after a session the server is closed from its start, by a cookie that is new each time and gone when it answers"
