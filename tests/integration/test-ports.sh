#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-ports.sh - only the broker's and the gateway's port listen, whatever runs: nothing of a desktop does
set -eu
. tests/lib/appliance.sh
. tests/lib/viewer.sh

command -v ss >/dev/null || { echo "ss (iproute2) is missing"; exit 77; }

# list_descendants PID: it and all that came of it
list_descendants() {
	local child
	echo "$1"
	for child in $(cat "/proc/$1/task"/*/children 2>/dev/null); do list_descendants "$child"; done
}

list_processes() {
	{ list_descendants "$appliance_pid"; appliance_find_processes; } | sort -un
}

# list_sockets: "PROTOCOL ADDRESS PROGRAM" of what listens, and of what takes datagrams, in all network namespaces of ours
list_sockets() {
	local pid namespace seen=" " pids
	pids=$(list_processes | paste -sd ' ')
	for pid in $pids; do
		namespace=$(readlink "/proc/$pid/ns/net") || continue
		[[ $seen != *" $namespace "* ]] || continue
		seen+="$namespace "
		nsenter --net="/proc/$pid/ns/net" ss -H -n -t -u -l -p
	done | awk -v pids=" $pids " '{
		line = $0
		while (match(line, /pid=[0-9]+/)) {
			pid = substr(line, RSTART + 4, RLENGTH - 4)
			line = substr(line, RSTART + RLENGTH)
			if (index(pids, " " pid " ")) {
				split($NF, name, "\"")
				print $1, $5, name[2]
				break
			}
		}
	}' | sort -u
}

# expect_ports WHEN
expect_ports() {
	local found wanted
	found=$(list_sockets)
	wanted=$(printf 'tcp 127.0.0.1:%s carrel-broker\ntcp 127.0.0.1:%s carrel-gateway\n' $appliance_ports | sort)
	[ "$found" = "$wanted" ] || fail "$1 this listens: $found"
	echo "$1 only the broker and the gateway listen"
}

appliance_start
expect_ports "before there is a desktop,"
appliance_make_pool office 2 ada
screen_start
viewer_log_in ada office
for program in qemu-system-x86 carrel-display; do
	list_processes | while read -r pid; do cat "/proc/$pid/comm"; done | grep -qx "$program" || fail "'$program' does not run"
done
expect_ports "with two desktops and a viewer on one of them,"
appliance_stop
