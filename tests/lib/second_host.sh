# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# second_host.sh - one more host for the broker of a test's appliance (sourced after appliance.sh)
#
# On the same machine, with run folder, state, configuration, uids of desktops and gateway of its own. What both hosts see is
# $second_exchange. As on two machines with one mount, hostd has the same uid on both.

second_name=otherhost
second_exchange=
second_state=
second_port=
second_listen=127.0.0.1
second_settings= # more lines of its [gateway]
second_pids=()
second_groups=(--clear-groups) # of what is started next

# second_prepare: before appliance_start "exchange = $second_exchange"
second_prepare() {
	second_exchange=$TMPDIR/exchange
}

# second_start: the other host
second_start() {
	second_state=$appliance_state/other
	second_port=$(appliance_find_ports 1)
	second_serve
	wait_until 60 second_is_known || second_fail carrel-hostd
}

# second_serve: its services, with what the first one's template versions are, as an admin copies them
second_serve() {
	local first=$((appliance_group + 300000)) last
	last=$((first + 265535))
	# as `carrel up` makes them
	install -d -m 0711 -g "$appliance_group" "$second_state"{,/lib,/lib/staging,/run/desktops}
	install -d -m 1771 -g "$appliance_group" "$second_state/run"
	install -d -m 0711 -o "$appliance_hostd_uid" -g "$appliance_group" "$second_state/lib"/{desktops,hostd,images}
	install -d -m 0700 -o "$appliance_hostd_uid" -g "$appliance_group" "$second_exchange"
	second_place_templates "$appliance_state/lib/templates" "$second_state/lib/templates"
	cat >"$second_state/carrel.conf" <<-END
		[gateway]
		listen = $second_listen:$second_port
		$second_settings
		[host]
		name = $second_name
		engine = ${appliance_engine:-qemu}
		uid_range = $first-$last
		exchange = $second_exchange
	END
	chmod 0644 "$second_state/carrel.conf"
	second_find_libexec
	second_run 0 carrel-launch --libexec "$second_libexec" --uid-range "$first-$last" \
		--hostd-uid "$appliance_hostd_uid" --hostd-gid "$appliance_group" \
		--run "$second_state/run" --lib "$second_state/lib"
	wait_until 30 test -S "$second_state/run/launch.sock" || second_fail carrel-launch
	second_start_hostd
	second_run $((appliance_group + 1)) carrel-gateway --listen "$second_listen:$second_port" \
		--hostd-socket "$second_state/run/gateway.sock"
}

# second_place_templates FROM TO: a test may change them there
second_place_templates() {
	cp -a --sparse=always "$1" "$2"
}

# As `carrel up` does, it may open /dev/kvm.
second_start_hostd() {
	second_groups=(--groups "$(stat -c %g /dev/kvm 2>/dev/null || echo "$appliance_group")")
	second_run "$appliance_hostd_uid" carrel-hostd --run "$second_state/run" --lib "$second_state/lib" \
		--broker-socket "$appliance_state/run/broker.sock" --gateway-uid $((appliance_group + 1)) \
		--config "$second_state/carrel.conf"
	second_groups=(--clear-groups)
}

# Where `run` has put what the appliance's own services are
second_find_libexec() {
	second_libexec=$(tr '\0' '\n' <"/proc/$(appliance_find_service carrel-hostd)/environ" |
		sed -n 's/^CARREL_LIBEXEC_DIR=//p')
	[ -x "$second_libexec/carrel-hostd" ] || fail "the services' folder is not found: '$second_libexec'"
}

# second_run UID PROGRAM ARGUMENT...
second_run() {
	local uid=$1 program=$2
	shift 2
	CARREL_LIBEXEC_DIR=$second_libexec setpriv --reuid "$uid" --regid "$appliance_group" "${second_groups[@]}" \
		"$second_libexec/$program" "$@" >>"$second_state/log" 2>&1 &
	second_pids+=($!)
}

second_fail() {
	fail "the second host's $1 does not come up: $(tail -n 5 "$second_state/log")"
}

second_is_known() {
	[ "$(carrel_json "[(.templates? // .)[] | select(.host == \"$second_name\")] | length" template list)" -ge 1 ]
}

second_tell() {
	tail -n 10 "$appliance_log" "$second_state/log"
}

# second_show FIELD: of $desktop
second_show() {
	carrel_json ".$1" desktop show "$desktop"
}

# second_is HOST STATES: where $desktop is, and its state by a regular expression
second_is() {
	[ "$(second_show host)" = "$1" ] && [[ $(second_show state) =~ ^($2)$ ]]
}

# second_expect HOST STATES [SECONDS]
second_expect() {
	wait_until "${3:-120}" second_is "$@" || fail "it is not $2 on '$1': $(carrel desktop list 2>&1)
$(second_tell)"
}

# second_find_process DESKTOP ROLE: as faults_find_process
second_find_process() {
	local pid
	pid=$(sed -n "s/^$2=\([0-9]*\) .*/\1/p" "$second_state/run/desktops/$1/record" 2>/dev/null)
	[ "${pid:-0}" -gt 0 ] && kill -0 "$pid" 2>/dev/null && echo "$pid"
}

# second_stop: the last that was started first; nothing of it may be left
second_stop() {
	local left i
	for ((i = ${#second_pids[@]} - 1; i >= 0; i--)); do
		kill -TERM "${second_pids[i]}"
		wait "${second_pids[i]}" || true
	done
	second_pids=()
	left=$(cd "$second_state" && find run/desktops lib/desktops -mindepth 1 2>/dev/null)
	[ -z "$left" ] || fail "left behind on the second host: $left"
}
