#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_hook.sh - brings nested-vmm.sh's guest script into a golden image that knows nothing of it: a script of the initrd
#
# The second disk has the tools; the unit is in /run, so that the first disk stays as it is.
case ${1:-} in prereqs) exit 0 ;; esac
mount -t ext4 -o ro /dev/vdb "${rootmnt:?}/mnt"
mkdir -p /run/systemd/system/graphical.target.wants
cat >/run/systemd/system/bench.service <<UNIT
[Unit]
After=carrel-x.service

[Service]
ExecStart=/bin/sh /mnt/vmm_guest.sh 10.0.2.2
UNIT
ln -s ../bench.service /run/systemd/system/graphical.target.wants/bench.service
