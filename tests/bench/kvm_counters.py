# SPDX-License-Identifier: GPL-3.0-or-later
# kvm_counters.py - what KVM counts of one virtual machine; as root, with debugfs mounted
import os

FOLDER = '/sys/kernel/debug/kvm'


def read_counter(pid, name):
    """Of the machine that this process has made: "exits", "irq_injections", ..."""
    for machine in os.listdir(FOLDER):
        if machine.startswith(f'{pid}-'):
            with open(os.path.join(FOLDER, machine, name), encoding='ascii') as file:
                return int(file.read())
    raise SystemExit(f'{FOLDER} does not know process {pid}')
