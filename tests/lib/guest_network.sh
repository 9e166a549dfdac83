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

card=$(ls /sys/class/net | grep -vx lo)
say "card $(cat "/sys/class/net/$card/address")"
say "address $(ip -4 -o addr show dev "$card" | awk '{ print $4 }') $(ip -4 route show default | awk '{ print $3, $7 }')"
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
# as long as the desktop lives: is the network still there?
(while :; do
	timeout 4 bash -c "echo '$(id -un) lives' >/dev/tcp/@OUTSIDE@/83" 2>/dev/null
	sleep 1
done) &
# and something to send, always
(while :; do
	while cat /tmp/bytes; do sleep 1; done >/dev/tcp/@OUTSIDE@/84
	sleep 1
done) 2>/dev/null &
