#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# qemu_seal.py - in a KVM host: boots the golden machine under QEMU and seals it, as kvm_seal.py does under carrel-vmm
#
#     qemu_seal.py FOLDER CPUS RAM_MIB COMMAND_LINE
#
# FOLDER holds disk.img, kernel and initrd, and gets qemu/user/memory and qemu/user/state.
import os
import sys
import tempfile

import kvm_seal
import qemu_fork


def main(folder, cpus, ram_mib, command_line):
    target = os.path.join(folder, 'qemu', 'user')
    os.makedirs(target)
    disk = os.open(os.path.join(folder, 'disk.img'), os.O_RDWR | os.O_CLOEXEC)
    with tempfile.TemporaryDirectory() as sockets:
        machine = qemu_fork.Machine(sockets, int(cpus), int(ram_mib), os.path.join(folder, 'kernel'), command_line, disk,
                                    os.path.join(folder, 'initrd'))
        process, qmp = machine.start('template')
        kvm_seal.settle(os.path.join(sockets, 'template', 'agent'))
        machine.save(process, qmp, os.open(os.path.join(target, 'state'), os.O_RDWR | os.O_CREAT, 0o644))
    kvm_seal.save_memory(machine.memory, os.path.join(target, 'memory'))


if __name__ == '__main__':
    main(*sys.argv[1:])
