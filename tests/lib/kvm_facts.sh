#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# kvm_facts.sh - in the KVM host: what its virtual machines do, printed when a test has failed
#
# kvm_facts.sh [PID]: with it only what that one does
#
# Of each thread of carrel-vmm what it waits for and the time it has had, the host's clock, and the last of KVM's events
# of a second: a guest that turns in a circle shows the addresses of it, one that stands has none.
trace=/sys/kernel/tracing

[ -e "$trace/events/kvm" ] || mount -t tracefs tracefs "$trace"
echo "clock: $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource), load: $(cat /proc/loadavg)"
[ -z "${1:-}" ] || ls "/proc/$1/task" >"$trace/set_event_pid"
for pid in ${1:-$(pidof carrel-vmm)}; do
	for thread in "/proc/$pid/task"/*; do
		echo "pid=$pid $(<"$thread/comm"): $(awk '{ print $3, "user", $14, "system", $15, "guest", $43 }' "$thread/stat")" \
			"in '$(<"$thread/wchan")', system call $(<"$thread/syscall")"
	done
done
echo 1 >"$trace/events/kvm/enable"
sleep 1
echo 0 >"$trace/events/kvm/enable"
echo "events of KVM in a second: $(grep -vc '^#' "$trace/trace")"
grep -v '^#' "$trace/trace" | tail -n 30
grep -o 'rip 0x[0-9a-f]*' "$trace/trace" | sort | uniq -c | sort -rn | head -n 10
dmesg | tail -n 5
