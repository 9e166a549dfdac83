#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# kvm_seal.py - in a KVM host: boots the golden machine on its own disk and seals it, as carrel-worker does but for the hashes
#
#     kvm_seal.py VMM FOLDER CPUS RAM_MIB COMMAND_LINE
#
# FOLDER holds disk.img, kernel and initrd, and gets kvm/user/memory and kvm/user/state. The machine is described as
# host/vmm_machine.c describes it: its forks are refused otherwise. qemu_seal.py is the same with QEMU.
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time

import agent_notes
import vmm_link
import vmm_start

SCANOUTS, WIDTH, HEIGHT = 4, 1280, 800
BOOT_S = 600
PAGE = 4096
CHUNK = 1 << 20


def settle(path):
    """The agent answers, X is up and quiet, and the file systems are synced."""
    with socket.socket(socket.AF_UNIX) as agent:
        agent.settimeout(BOOT_S)
        agent.connect(path)
        agent_notes.resync(agent)
        while not agent_notes.request(agent, 2, 'ready', {})['body'].get('x'):
            time.sleep(0.5)
        answer = agent_notes.request(agent, 3, 'quiesce', {})
        if not answer['ok']:
            sys.exit('the guest cannot be quiesced')
        if not answer['body'].get('rests', True):
            print('the guest did not come to rest and is sealed all the same', file=sys.stderr)


def save_memory(memory, path):
    """Zero pages as holes."""
    size = os.fstat(memory).st_size
    with open(path, 'wb') as file:
        file.truncate(size)
        for offset in range(0, size, CHUNK):
            chunk = os.pread(memory, CHUNK, offset)
            if chunk.count(0) == len(chunk):
                continue
            for at in range(0, len(chunk), PAGE):
                page = chunk[at:at + PAGE]
                if page.count(0) != PAGE:
                    os.pwrite(file.fileno(), page, offset + at)


def describe(name, folder, sockets, cpus, ram_mib, command_line):
    """host/vmm_machine.c's machine; its disk is not there yet."""
    machine = vmm_start.Description(name, cpus, ram_mib)
    machine.boot(os.path.join(folder, 'kernel'), os.path.join(folder, 'initrd'), command_line)
    machine.sockets(sockets, SCANOUTS, WIDTH, HEIGHT)
    machine.ports(sockets)
    machine.json['disks'] = [{'slot': 'disk', 'serial': 'root'}, {'slot': 'home', 'serial': 'home'}]
    machine.net()
    machine.json.update(sound=True, genid=secrets.token_hex(16))
    return machine


def main(vmm, folder, cpus, ram_mib, command_line):
    target = os.path.join(folder, 'kvm', 'user')
    os.makedirs(target)
    with tempfile.TemporaryDirectory() as sockets:
        machine = describe('d-golden', folder, sockets, int(cpus), int(ram_mib), command_line)
        machine.json['disks'][0]['image_fd'] = machine.open(os.path.join(folder, 'disk.img'), os.O_RDWR)
        memory = os.dup(machine.json['memory_fd'])
        process = vmm_start.start(vmm, machine)
        control = vmm_link.Control(os.path.join(sockets, 'vmm'))
        control.socket.settimeout(BOOT_S)
        try:
            settle(os.path.join(sockets, 'agent'))
        except TimeoutError:
            subprocess.run(['bash', os.path.join(os.path.dirname(__file__), 'kvm_facts.sh')], check=False)
            raise
        control.ask(vmm_link.PAUSE)
        state = os.open(os.path.join(target, 'state'), os.O_RDWR | os.O_CREAT, 0o644)
        control.ask(vmm_link.SEAL, fds=[state])
        control.ask(vmm_link.QUIT)
        if process.wait() != 0:
            sys.exit('carrel-vmm did not end well')
    save_memory(memory, os.path.join(target, 'memory'))


if __name__ == '__main__':
    main(*sys.argv[1:])
