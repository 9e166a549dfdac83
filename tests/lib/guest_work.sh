# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# guest_work.sh - what test-kvm-host-desktop.sh lets a user's shell do on a desktop (sourced there by bash, never here)
#
# @OUTSIDE@ is the server (outside.py), @BASE@ the first of its ports.
server=/dev/tcp/@OUTSIDE@
say() { echo "$*" >$server/$((@BASE@ + 3)); }
hash() { sha256sum "$@" | cut -c 1-64; }

card=$(ls /sys/class/net | grep -vx lo)
say "address $(ip -4 -o addr show dev "$card" | awk '{ print $4 }') $(ip -4 route show default | awk '{ print $3, $7 }')"
cat <$server/$((@BASE@ + 1)) >/tmp/bytes
say "got $(hash /tmp/bytes)"
cat /tmp/bytes >$server/$((@BASE@ + 2))
say "processors $(nproc)"

# 32 MiB through the card: written, synced, and read back past the page cache
head -c 1048576 /dev/urandom >~/block
for _ in $(seq 32); do cat ~/block; done >~/data
written=$(hash ~/data)
sync ~/data
[ "$(dd if="$HOME/data" bs=1M iflag=direct status=none | hash)" != "$written" ] || say "disk verified"
until [ "$(cat <$server/@BASE@)" = delete ]; do sleep 1; done
rm ~/data && sync
say "deleted"

# both processors at work, in a way that shows an error: the same sum again and again, while the disk is written, too
work() { while [ "$(head -c 8388608 /dev/zero | hash)" = 2daeb1f36095b44b318410b3f4e8b5d989dcc7bb023d1426c492dab0a3053e74 ]; do say "worker $1"; done; say "worker $1 is wrong"; }
work 1 &
work 2 &
while :; do cp ~/block ~/more && sync ~/more; done &
say "done"
