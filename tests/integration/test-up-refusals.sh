#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-up-refusals.sh - what `carrel up` cannot start with: one line that names it and says what to do, and a code
#
set -eu
[ "${1:-}" = inside ] || [ "$(id -u)" != 0 ] || exec unshare --mount --propagation private bash "$0" inside
. tests/lib/appliance.sh

up() {
	timeout --kill-after=5 60 ./run carrel up "$@" 2>&1 >"$TMPDIR/out"
}

# refused CODE PATTERN ARGUMENT...: exactly one line, that of a regular expression
refused() {
	local code=0 wanted=$1 pattern=$2
	shift 2
	said=$(up "$@") || code=$?
	[ "$code" = "$wanted" ] || fail "'carrel up $*' ended with $code, not $wanted: $said"
	[ "$(wc -l <<<"$said")" = 1 ] || fail "'carrel up $*' says more than one line: $said"
	grep -qE -- "^carrel: .*$pattern" <<<"$said" || fail "'carrel up $*' does not say '$pattern' but: $said"
}

# configure TEXT: a configuration with these lines more
configure() {
	{ cat "$TMPDIR/carrel.conf" && echo "$1"; } >"$TMPDIR/other.conf"
}

# taken GROUP: up must end by itself, say which port that is, and leave nothing
taken() {
	local code=0 port
	: >"$TMPDIR/taken"
	python3 -B -c '
import signal, socket
taken = socket.create_server(("127.0.0.1", 0))
print(taken.getsockname()[1], flush=True)
signal.pause()' >"$TMPDIR/taken" &
	taker=$!
	wait_until 30 grep -q . "$TMPDIR/taken" || fail "the test finds no port"
	port=$(cat "$TMPDIR/taken")
	sed "/\[$1\]/,/listen/s/^listen.*/listen = 127.0.0.1:$port/" "$TMPDIR/carrel.conf" >"$TMPDIR/other.conf"
	said=$(up --state "$appliance_state" --config "$TMPDIR/other.conf") || code=$?
	kill "$taker"
	wait "$taker" || true
	[ "$code" = 1 ] || fail "with the port of [$1] taken 'carrel up' ended with $code: $said"
	grep -qE "so nothing can work.*cannot listen on '127.0.0.1:$port'.*ss -ltnp.*'listen' in \[$1\] of carrel.conf" <<<"$said" ||
		fail "it does not say which port is taken and what to do: $said"
	! grep -q 'everything runs' <<<"$said" || fail "it said that everything runs without a port for [$1]"
	wait_until 10 appliance_is_gone || fail "left behind: $(appliance_describe_processes)"
}

# hopeless GROUP LINE PATTERN: with the line in place of that group's `listen` a service refuses to start, and says so
hopeless() {
	local code=0
	sed "/\[$1\]/,/listen/s|^listen.*|$2|" "$TMPDIR/carrel.conf" >"$TMPDIR/other.conf"
	said=$(up --state "$appliance_state" --config "$TMPDIR/other.conf") || code=$?
	[ "$code" = 1 ] || fail "with '$2' in [$1] 'carrel up' ended with $code: $said"
	grep -qE "so nothing can work.*$3" <<<"$said" || fail "with '$2' in [$1] it does not say '$3' but: $said"
}

appliance_prepare
here=(--state "$appliance_state" --config "$TMPDIR/carrel.conf")

up --help || fail "--help ended with an error"
grep -q 'carrel up \[' "$TMPDIR/out" || fail "--help shows no usage"
for option in --state --config --demo-user; do
	grep -q -- "$option" "$TMPDIR/out" || fail "--help does not list $option"
done
refused 2 "'now' is no option; try 'carrel up --help'" now
refused 2 "--colour; try 'carrel up --help'" --colour

echo "who starts it, and where"
cp "$CARREL_BUILD_DIR/cli/carrel" "$TMPDIR/carrel" # the build may be closed to others
said=$(setpriv --reuid 65534 --regid 65534 --clear-groups "$TMPDIR/carrel" up "${here[@]}" 2>&1) && fail "nobody may start it"
[ "$said" = "carrel: it has to be started by root, because every service and desktop gets a uid of its own: try sudo" ] ||
	fail "not root: $said"
code=0
setpriv --reuid 65534 --regid 65534 --clear-groups "$TMPDIR/carrel" up "${here[@]}" 2>/dev/null || code=$?
[ "$code" = 3 ] || fail "not root: exit code $code"
mkdir -m 0700 "$TMPDIR/closed"
refused 1 "'$TMPDIR/closed' is closed to the services' users: choose another --state, or chmod" \
	--state "$TMPDIR/closed/s" --config "$TMPDIR/carrel.conf"
: >"$TMPDIR/file"
refused 1 "'$TMPDIR/file': Not a directory: .*choose another --state" --state "$TMPDIR/file"
mkdir -m 0755 "$TMPDIR/theirs"
chown 65534 "$TMPDIR/theirs"
refused 1 "'$TMPDIR/theirs' belongs to uid 65534.*: choose another --state, or chown it to root" --state "$TMPDIR/theirs"
[ "$(stat -c '%u %a' "$TMPDIR/theirs") $(ls -A "$TMPDIR/theirs")" = "65534 755 " ] || fail "somebody's folder was changed"
refused 1 "'a/b' is not a user name" "${here[@]}" --demo-user a/b

echo "disks"
mkdir "$TMPDIR/disk"
mount -t tmpfs -o ro,mode=0755 tmpfs "$TMPDIR/disk"
refused 1 "'$TMPDIR/disk/s': Read-only file system: choose another --state, on a disk that can be written" \
	--state "$TMPDIR/disk/s"
umount "$TMPDIR/disk"
mount -t tmpfs -o size=64k,mode=0755 tmpfs "$TMPDIR/disk"
dd if=/dev/zero of="$TMPDIR/disk/fill" bs=4k status=none 2>/dev/null || true
refused 1 "'$TMPDIR/disk/s/up.lock': No space left on device: free space on that disk, or choose another" \
	--state "$TMPDIR/disk/s"
umount "$TMPDIR/disk"

echo "configuration"
refused 1 "'?$TMPDIR/none.conf.*: No such file.*make that file, or name another with --config" --config "$TMPDIR/none.conf"
configure 'colour = red'
refused 1 "$TMPDIR/other.conf:[0-9]*: unknown key 'colour' in \[host\]; see carrel.conf\(5\)" --config "$TMPDIR/other.conf"
configure $'[paint]\ncolour = red'
refused 1 "$TMPDIR/other.conf:[0-9]*: unknown group \[paint\]" --config "$TMPDIR/other.conf"
sed 's/^uid_range.*/uid_range = 200000-200100/' "$TMPDIR/carrel.conf" >"$TMPDIR/other.conf"
refused 1 "uid_range '200000-200100' is not .* at least [0-9]* uids .*\[host\] of carrel.conf" --config "$TMPDIR/other.conf" \
	--state "$appliance_state"

echo "addresses that lead no client to the gateway"
hopeless gateway 'listen = 127.0.0.1' "cannot listen on '127.0.0.1': .*ADDRESS:PORT.*'listen' in \[gateway\]"
hopeless gateway "listen = 0.0.0.0:1" "every address .*set 'proxy' in \[gateway\]"
hopeless gateway 'proxy = desks' "'desks' is no address of a gateway: set 'proxy' in \[gateway\]"

echo "ports"
taken broker
taken gateway

echo "two on one folder, and no PAM service"
mkdir "$TMPDIR/no-pam"
cat >>"$TMPDIR/carrel.conf" <<-END
	[auth]
	confdir = $TMPDIR/no-pam
	service = carrel
END
./run carrel up "${here[@]}" >/dev/null 2>"$appliance_log" &
appliance_pid=$!
appliance_log_start=0
wait_until 60 appliance_is_up && appliance_runs || fail "it did not come up"
refused 1 "another 'carrel up' \(pid $appliance_pid\) runs on '$appliance_state': stop it first" "${here[@]}"
[ "$(curl --silent --cacert "$appliance_state/lib/broker/tls.crt" --output "$TMPDIR/answer" --write-out '%{http_code}' \
	--header 'Content-Type: application/json' --data '{"user": "ada"}' "$appliance_url/api/v1/login")" = 503 ] ||
	fail "a log-in without a PAM service is not refused with 503: $(cat "$TMPDIR/answer")"
[ "$(jq -r .code "$TMPDIR/answer")" = login.unavailable ] || fail "another code: $(cat "$TMPDIR/answer")"
grep -E "login of 'ada' is not possible: .*check the service file '$TMPDIR/no-pam/carrel'" "$appliance_log" ||
	fail "the log does not name the missing PAM service"
appliance_stop
sed 's/^uid_range.*/uid_range = 200000-465535/' "$TMPDIR/carrel.conf" >"$TMPDIR/other.conf"
refused 1 "'$appliance_state/lib/broker/carrel.db' belongs to uid $appliance_group and .* uid_range '200000-465535': set uid_range in \[host\]" \
	--state "$appliance_state" --config "$TMPDIR/other.conf"

echo "no QEMU: it is named with its package, and the services run"
mount --bind /dev/null "$(command -v qemu-system-x86_64)"
doctor=$(carrel host doctor 2>&1 || true)
grep -q 'install qemu-system-x86' <<<"$doctor" || fail "the doctor does not name the missing package: $doctor"
./run carrel up "${here[@]}" >/dev/null 2>"$appliance_log" &
appliance_pid=$!
wait_until 60 appliance_is_up && appliance_runs || fail "it did not come up without QEMU: $(tail -n 3 "$appliance_log")"
grep -E 'qemu.*install qemu-system-x86' "$appliance_log" || fail "the log does not say that QEMU is missing"
appliance_stop
