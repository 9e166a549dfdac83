# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# guest_work.sh - what test-kvm-host-desktop.sh lets a user's shell do on a desktop (sourced there by bash, never here)
#
# @OUTSIDE@ is the server (outside.py), @BASE@ the first of its ports. fio and stress-ng come from there with their libraries.
server=/dev/tcp/@OUTSIDE@
tools=/dev/shm/tools
say() { echo "$*" >$server/$((@BASE@ + 3)); }
hash() { sha256sum "$@" | cut -c 1-64; }
tool() { LD_LIBRARY_PATH=$tools "$tools/$@" >/tmp/tool.log 2>&1 || { say "$1 fails: $(grep -E 'fail|err|rror' /tmp/tool.log | tail -n 3 | tr '\n' ' ')" && false; }; }
fio() { tool fio --name="$1" --filename="$HOME/data" --size=32M "${@:2}"; }

card=$(ls /sys/class/net | grep -vx lo)
say "address $(ip -4 -o addr show dev "$card" | awk '{ print $4 }') $(ip -4 route show default | awk '{ print $3, $7 }')"
cat <$server/$((@BASE@ + 1)) >/tmp/bytes
say "got $(hash /tmp/bytes)"
cat /tmp/bytes >$server/$((@BASE@ + 2))
say "processors $(nproc)"

# 32 MiB through the card: written in any order, several at once, read back past the page cache, and given back
mkdir -p "$tools" && tar -xf - -C "$tools" <$server/$((@BASE@ + 5)) && say "tools"
fio write --rw=randwrite --bs=64k --direct=1 --ioengine=libaio --iodepth=8 --verify=crc32c && say "disk verified"
until [ "$(cat <$server/@BASE@)" = trim ]; do sleep 1; done
fio trim --rw=trim --bs=1M --ioengine=falloc && sync && say "trimmed"

# both processors and the memory at work, which is checked; then on and on, while the disk is written, too
tool stress-ng --cpu 2 --vm 2 --vm-bytes 32M --verify --timeout 15 && say "stressed"
cd && tool stress-ng --cpu 2 --hdd 1 --hdd-bytes 16M --verify &
