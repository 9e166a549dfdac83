# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_driver.py - carrel-vmm on /dev/kvm with guests that are small enough where KVM emulates: vmm_driver.py TEST
import os
import re
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../lib'))
import bare_machine  # noqa: E402


def test_hello():
    machine = bare_machine.Machine('hello', command_line='one two=3', ram_mib=16)
    machine.run()
    machine.has("note: command line 'one two=3'")
    machine.has('note: memory 0x0 bytes=0x9fc00 type=1')
    machine.has('note: memory 0x100000 bytes=0xf00000 type=1')
    machine.has('note: memory 0xe0000 bytes=0x20000 type=2')



def test_platform():
    machine = bare_machine.Machine('platform')
    before = time.gmtime()
    machine.run()
    formats = [time.strftime('note: clock %y-%m-%d %H:%M', at) for at in (before, time.gmtime())]
    machine.has('|'.join(re.sub('([-: ])0', r'\1', text) for text in formats))


def test_reset():
    machine = bare_machine.Machine('reset')
    machine.run()
    starts = [line for line in machine.lines if line.startswith('note: start')]
    if starts != [f'note: start {i}' for i in range(4)]:
        bare_machine.fail(f'it started like this: {starts}')


def test_pci():
    for line in ('', 'hostile'):
        machine = bare_machine.Machine('pci', command_line=line)
        machine.run()
        machine.has('note: slot 0 8086:29c0 class 60000')


def test_smp():
    for cpus in (1, 2):
        bare_machine.Machine('smp', command_line=str(cpus), cpus=cpus).run()


def test_panic():
    machine = bare_machine.Machine('panic')
    machine.start()
    machine.read_until('running -> panicked')
    machine.stop()
    machine.has('note: panics')


def test_refusals():
    """Each is refused with one line that says why."""
    def kernel(data):
        def change(machine):
            machine.description['boot']['kernel_fd'] = machine.file('kernel', data)
        return change

    def initrd(size):
        def change(machine):
            machine.description['boot']['initrd_fd'] = machine.file('initrd', size=size)
        return change

    def key(name, value):
        def change(machine):
            machine.description[name] = value
        return change

    def null_kvm(machine):
        machine.description['kvm_fd'] = machine.open('/dev/null', os.O_RDWR)

    with open(os.path.join(bare_machine.GUESTS, 'guest_hello.guest'), 'rb') as file:
        guest = file.read()
    cases = [
        (kernel(b'no kernel at all\n' * 100), 'neither a bzImage nor an ELF file'),
        (kernel(guest[:5000]), 'truncated'),
        (kernel(b''), 'truncated: 0 bytes'),
        (initrd(0), 'the initrd is empty'),
        (initrd(17 * bare_machine.MIB), 'the initrd does not fit'),
        (key('siez', 1), "unknown key 'siez'"),
        (key('kvm_fd', 999), 'descriptor 999 is not open'),
        (null_kvm, 'is not /dev/kvm'),
        (key('ram_mib', 32), "smaller than 'ram_mib' says"),
        (key('cpu', 'carrel-v9'), 'carrel-v9'),
        (key('disks', [{'slot': 'disk', 'serial': 'root', 'overlay_fd': 5}]), "needs 'base_fd'"),
    ]
    for change, problem in cases:
        machine = bare_machine.Machine('hello')
        change(machine)
        machine.run(status=1)
        if len(machine.log) != 1 or problem not in machine.log[0]:
            bare_machine.fail(f"it said {machine.log}, not one line with '{problem}'")


def make_disk(machine, sectors=2048):
    """Each sector begins with its number."""
    data = b''.join(struct.pack('<Q', i) + bytes(504) for i in range(sectors))
    return machine.file('base', data)


def test_blk():
    for line in ('hostile', 'readonly'):
        machine = bare_machine.Machine('blk', command_line=line)
        disk = {'slot': 'disk', 'serial': 'root', 'base_fd': make_disk(machine)}
        if line != 'readonly':
            disk['overlay_fd'] = machine.memfd('overlay', 0)
        machine.description['disks'] = [disk]
        machine.run()


bare_machine.run_test({
    'blk': test_blk,
    'hello': test_hello,
    'panic': test_panic,
    'pci': test_pci,
    'platform': test_platform,
    'refusals': test_refusals,
    'reset': test_reset,
    'smp': test_smp,
})
