#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_guest.sh - what nested-vmm.sh measures inside of the guest; root there, started when the X server answers
#
# It lies on the tools' disk (/mnt) with fio, iperf3 and their libraries. Each line on the serial port begins with "bench: ".
# vmm_sides.py waits for "x answers", "idle ends" and "the end", and takes every other one as "FIGURE UNIT VALUE".
idle_seconds=55
terminal_seconds=10
fio_seconds=6
iperf_seconds=6
gateway=$1

export DISPLAY=:0

say() {
	echo "bench: $*" >/dev/ttyS0
}

# run PROGRAM ARGUMENTS: one of the tools' disk
run() {
	program=$1
	shift
	/mnt/lib/ld-linux-x86-64.so.2 --library-path /mnt/lib "/mnt/bin/$program" "$@"
}

# A frame is one order of the guest to show what it has drawn (virtio-gpu's RESOURCE_FLUSH, 0x104), counted by the kernel
measure_terminal() {
	event=/sys/kernel/tracing/events/virtio_gpu/virtio_gpu_cmd_queue
	mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
	xterm -geometry 120x45+0+0 -e sh -c 'touch /run/bench-terminal; exec seq 1 1000000000' &
	xterm=$!
	until [ -e /run/bench-terminal ]; do sleep 0.2; done
	sleep 2
	echo 'hist:keys=type' >$event/trigger
	sleep $terminal_seconds
	frames=$(awk '$3 == "260" || $2 == "260" { print $NF }' $event/hist)
	kill $xterm
	say terminal_frames_per_second 1/s "$(awk -v n="$frames" -v s=$terminal_seconds 'BEGIN { print n / s }')"
}

# measure_disk FIGURE UNIT OPTIONS: terse fields 7 and 8 are the reads' KiB/s and operations/s, 48 and 49 the writes'
measure_disk() {
	figure=$1 unit=$2
	shift 2
	say "$figure" "$unit" "$(run fio --name=job --filename=/bench.data --size=128m --direct=1 --ioengine=libaio \
		--output-format=terse "$@" | awk -F ';' -v unit="$unit" '$1 == "3" {
			print unit == "MiB/s" ? ($7 + $48) / 1024 : $8 + $49
		}')"
}

# measure_network FIGURE OPTIONS
measure_network() {
	figure=$1
	shift
	say "$figure" Mbit/s "$(run iperf3 --client "$gateway" --time $iperf_seconds --format m "$@" |
		awk '/receiver/ { print $(NF - 2) }')"
}

say x answers
sleep $idle_seconds
say idle ends
measure_terminal
timed="--time_based --runtime=$fio_seconds"
# the whole file: what was never written would be read without the disk
measure_disk disk_write_mib_per_second MiB/s --rw=write --bs=1M --iodepth=4
measure_disk disk_read_mib_per_second MiB/s --rw=read --bs=1M --iodepth=4 $timed
measure_disk disk_random_read_per_second 1/s --rw=randread --bs=4k --iodepth=16 $timed
measure_disk disk_random_write_per_second 1/s --rw=randwrite --bs=4k --iodepth=16 $timed
measure_network net_send_mbit_per_second
measure_network net_receive_mbit_per_second --reverse
say the end
