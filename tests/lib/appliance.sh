# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# appliance.sh - a whole appliance of a test's own: carrel up, its users, its pool (sourced; needs TMPDIR and root)
#
# appliance_start makes a state folder in TMPDIR and runs `carrel up` on free ports of the loopback interface. The template
# comes out of the cache (published.sh), so that its first desktop takes seconds. appliance_stop ends it as a person
# would and fails when a process or a folder is left; appliance_end, for traps, only cleans up. Passwords are in files
# only: $TMPDIR/password.USER.

appliance_tools=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
appliance_root=$(cd "$appliance_tools/../.." && pwd)
. "$appliance_tools/screen.sh"

appliance_state=
appliance_pid=
appliance_log=
appliance_template=debian-openbox
appliance_hostd_uid=
appliance_group=

fail() {
	echo "$*"
	echo "$*" | tr '\n' ' ' | cut -c 1-400 >"$TMPDIR/failure"
	exit 1
}

# appliance_find_ports COUNT: prints that many free ports; they stay free unless somebody takes them meanwhile
appliance_find_ports() {
	python3 -B -c '
import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in sockets))' "$1"
}

# appliance_prepare: the state folder and its configuration; more lines for the configuration can follow in $1, and
# $appliance_engine says for which engine templates are published (qemu)
appliance_prepare() {
	[ "$(id -u)" = 0 ] || { echo "root is needed: services and desktops get uids of their own"; exit 77; }
	local ports
	read -r -a ports < <(appliance_find_ports 2)
	# uids of its own, too: what has a desktop's uid is killed with it. Two tests at once never have the same ones.
	appliance_group=$((300000 * (4 + 2 * (ports[0] % 3500) + ${CARREL_TEST_LANE:-0})))
	appliance_hostd_uid=$((appliance_group + 2))
	appliance_state=$TMPDIR/s
	appliance_log=$TMPDIR/up.log
	appliance_url=https://127.0.0.1:${ports[0]}
	appliance_ports="${ports[*]}"
	# the services' uids go through it
	chmod 0711 "$TMPDIR"
	mkdir -p -m 0711 "$appliance_state"
	cat >"$TMPDIR/carrel.conf" <<-END
		[broker]
		listen = 127.0.0.1:${ports[0]}
		[gateway]
		listen = 127.0.0.1:${ports[1]}
		[host]
		name = testhost
		engine = ${appliance_engine:-qemu}
		uid_range = $appliance_group-$((appliance_group + 265535))
		${1:-}
	END
	chmod 0644 "$TMPDIR/carrel.conf"
}

# appliance_place FROM TO: a copy of a folder whose files nobody writes, by hard links where that is possible
appliance_place() {
	mkdir -p "${2%/*}"
	cp -al "$1" "$2" 2>/dev/null && return
	rm -rf "$2"
	cp -a --reflink=auto --sparse=always "$1" "$2"
}

# appliance_place_template: the cached version becomes version 1
appliance_place_template() {
	local version folder
	version=$(bash "$appliance_tools/published.sh") || fail "there is no published template"
	folder=$appliance_state/lib/templates
	mkdir -p -m 0711 "$appliance_state/lib"
	mkdir -p "$folder/$appliance_template"
	appliance_place "$version" "$folder/$appliance_template/1"
	# its files may be read by all, its folders by hostd and the group of jobs (docs/PROTOCOL.md)
	find "$folder" -type d -exec chown "$appliance_hostd_uid:$((appliance_group + 3))" {} +
}

# appliance_run_up: starts carrel up on the state folder and waits until everything runs
appliance_run_up() {
	: >"$TMPDIR/up.out"
	chmod 0600 "$TMPDIR/up.out"
	# the password's line is read
	LC_ALL=C.UTF-8 "$appliance_root/run" carrel up --state "$appliance_state" --config "$TMPDIR/carrel.conf" --demo-user ada \
		>"$TMPDIR/up.out" 2>>"$appliance_log" &
	appliance_pid=$!
	wait_until 120 appliance_is_up && appliance_runs ||
		fail "'carrel up' did not come up: $(tail -n 5 "$appliance_log")"
	appliance_keep_password
}

appliance_runs() {
	kill -0 "$appliance_pid" 2>/dev/null
}

appliance_is_up() {
	! appliance_runs || tail -n +"$((appliance_log_start + 1))" "$appliance_log" | grep -q 'everything runs'
}

# The demo user's password is printed by the first start only.
appliance_keep_password() {
	local line
	line=$(sed -n "s/.*has the password '\([^']*\)'.*/\1/p" "$TMPDIR/up.out")
	: >"$TMPDIR/up.out"
	[ -z "$line" ] || (umask 077 && printf %s "$line" >"$TMPDIR/password.ada")
	[ -s "$TMPDIR/password.ada" ] || fail "'carrel up' printed no password for 'ada'"
}

# appliance_start [CONFIG-LINES]: state, template, services; the user 'ada' exists
appliance_start() {
	appliance_prepare "$@"
	appliance_place_template
	appliance_restart
}

# appliance_restart: carrel up (again) on the same state
appliance_restart() {
	touch "$appliance_log"
	appliance_log_start=$(wc -l <"$appliance_log")
	appliance_run_up
}

# appliance_add_user NAME: one more user with a password of its own, in the private PAM folder
appliance_add_user() {
	local passwords=$appliance_state/pam/passwd
	(umask 077 && head -c 8 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$TMPDIR/password.$1")
	printf '%s:%s\n' "$1" "$(mkpasswd -m yescrypt -s <"$TMPDIR/password.$1")" >>"$passwords"
}

carrel() {
	"$appliance_root/run" carrel "$@" --run "$appliance_state/run"
}

# carrel_json FILTER NOUN VERB...: the answer through jq
carrel_json() {
	local filter=$1
	shift
	carrel "$@" --json | jq -r "$filter"
}

# appliance_desktops POOL STATE: prints the ids of the pool's desktops in such a state (a regular expression)
appliance_desktops() {
	carrel_json "(.desktops? // .)[] | select(.pool == \"$1\" and (.state | test(\"^($2)\$\"))) | .id" desktop list
}

# appliance_session USER: prints "SESSION DESKTOP" of an open session of the user's
appliance_session() {
	carrel_json "(.sessions? // .)[] | select(.user == \"$1\" and .state != \"closed\") | \"\(.id) \(.desktop)\"" \
		session list | grep .
}

appliance_has() {
	[ "$(appliance_desktops "$1" "$2" | wc -l)" -ge "$3" ]
}

# appliance_wait POOL STATE COUNT [SECONDS]
appliance_wait() {
	wait_until "${4:-240}" appliance_has "$1" "$2" "$3" ||
		fail "the pool '$1' has no $3 desktops in state '$2' after ${4:-240} s: $(carrel desktop list 2>&1)
$(tail -n 15 "$appliance_log")"
}

# appliance_make_pool NAME SIZE USER...: and waits until its desktops are ready
appliance_make_pool() {
	local name=$1 size=$2 users=() user
	shift 2
	for user in "$@"; do users+=(--user "$user"); done
	appliance_create_pool "$name" "$size" "${users[@]}"
	appliance_wait "$name" ready "$size"
}

# appliance_create_pool NAME SIZE OPTION...: of `carrel pool create`; waits for none of its desktops
appliance_create_pool() {
	wait_until 60 appliance_has_template || fail "hostd does not report the template: $(carrel template list 2>&1)"
	carrel pool create "$1" --template "$appliance_template" --size "$2" "${@:3}" >/dev/null
}

appliance_has_template() {
	[ "$(carrel_json "[(.templates? // .)[] | select(.name == \"$appliance_template\")] | length" template list)" -ge 1 ]
}

# appliance_wait_job JOB SECONDS: until it is done
appliance_wait_job() {
	local job=$1 job_state=
	wait_until "$2" appliance_job_is_over || fail "after $2 s the job is not over: $(carrel job list)"
	[ "$job_state" = 'done' ] || fail "the job is not done: $(carrel job list)"
}

appliance_job_is_over() {
	job_state=$(carrel_json .state job show "$job")
	[[ $job_state =~ ^(done|failed|cancelled)$ ]]
}

# appliance_find_service PROGRAM: its pid
appliance_find_service() {
	local stat
	for stat in /proc/[0-9]*/stat; do
		[ "$(awk '{ print $4 }' "$stat" 2>/dev/null)" = "$appliance_pid" ] || continue
		[ "$(tr '\0' '\n' <"${stat%/*}/cmdline" 2>/dev/null | head -n 1 | sed 's|.*/||')" = "$1" ] || continue
		basename "${stat%/*}"
		return
	done
	return 1
}

# appliance_note DESKTOP NAME: the text of a note that the desktop's session has written; hostd is replaced meanwhile
appliance_note() {
	local notes
	notes=$(python3 -B "$appliance_tools/agent_notes.py" "$appliance_state/run/desktops/$1/agent" \
		"$(appliance_find_service carrel-hostd)") || return 1
	jq -r --arg name "$2" '.[$name] // empty' <<<"$notes"
}

# appliance_find_processes: pids of all that have to do with the state folder, this shell and what it runs excepted
appliance_find_processes() {
	{
		grep -als -- "$appliance_state/" /proc/[0-9]*/cmdline
		find /proc/[0-9]*/fd /proc/[0-9]*/cwd -lname "$appliance_state/*" 2>/dev/null
	} | sed -n 's|^/proc/\([0-9]*\)/.*|\1|p' | sort -un | while read -r pid; do
		[ "$pid" = "$$" ] || [ "$pid" = "$BASHPID" ] || echo "$pid"
	done
}

appliance_describe_processes() {
	local pid
	for pid in $(appliance_find_processes); do
		echo "pid $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c 1-160)"
	done
}

appliance_is_gone() {
	[ -z "$(appliance_find_processes)" ]
}

# appliance_stop: SIGTERM, then nothing may be left
appliance_stop() {
	local code=0 left
	kill -TERM "$appliance_pid"
	wait_until 120 appliance_has_ended || fail "'carrel up' does not end: $(tail -n 5 "$appliance_log")"
	wait "$appliance_pid" || code=$?
	appliance_pid=
	[ "$code" = 0 ] || fail "'carrel up' ended with $code: $(tail -n 5 "$appliance_log")"
	wait_until 10 appliance_is_gone || fail "left behind: $(appliance_describe_processes)"
	left=$(cd "$appliance_state" && find run/desktops lib/desktops lib/staging -mindepth 1 2>/dev/null)
	[ -z "$left" ] || fail "left behind in the state folder: $left"
	! grep -F " $appliance_state" /proc/mounts || fail "left mounted"
}

appliance_has_ended() {
	! appliance_runs || [ "$(awk '{ print $3 }' "/proc/$appliance_pid/stat" 2>/dev/null)" = Z ]
}

# appliance_end: for traps. What the test did not stop is ended; the screen, too
appliance_end() {
	local pid
	screen_stop
	if [ -n "$appliance_pid" ]; then
		kill -TERM "$appliance_pid" 2>/dev/null || true
		wait_until 60 appliance_has_ended || true
		kill -KILL "$appliance_pid" 2>/dev/null || true
		wait "$appliance_pid" 2>/dev/null || true
		appliance_pid=
	fi
	[ -n "$appliance_state" ] || return 0
	for pid in $(appliance_find_processes); do
		kill -KILL "$pid" 2>/dev/null || true
	done
}

# appliance_tell: what helps after a failure: the services' last words
appliance_tell() {
	tail -n 25 "$appliance_log"
}

# appliance_handle_exit: trap for EXIT
appliance_handle_exit() {
	local code=$? last_words
	trap - EXIT
	if [ "$code" != 0 ] && [ "$code" != 77 ] && [ -f "$appliance_log" ]; then
		last_words=$(tail -n 1 "$TMPDIR/failure" 2>/dev/null || true)
		appliance_tell
		# the last line of the log is what the runner shows
		[ -z "$last_words" ] || echo "$last_words"
	fi
	appliance_end >/dev/null 2>&1
	exit "$code"
}

trap appliance_handle_exit EXIT
trap 'exit 130' INT TERM
