# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_driver.py - carrel-vmm on /dev/kvm with guests that are small enough where KVM emulates: vmm_driver.py TEST
import mmap
import os
import random
import re
import socket
import struct
import subprocess
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


def test_contained():
    """Without one of its namespaces, or all, it says what it could do, and its guest does not start."""
    for without, act in (('pid', 'see other processes'), ('net', "reach this host's services")):
        machine = bare_machine.Machine('hello')
        machine.start(without)
        machine.read_until()
        machine.check(1)
        if len(machine.log) != 1 or not machine.log[0].endswith(f'could {act}: the guest is not started'):
            bare_machine.fail(f'without its {without} namespace it said {machine.log}')
    machine = bare_machine.Machine('hello')
    machine.start('all')
    machine.read_until()
    machine.check(1)
    if len(machine.log) != 1 or 'sandbox: the process c' not in machine.log[0]:
        bare_machine.fail(f'without any namespace of its own it said {machine.log}')


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

    def drop(name):
        return lambda machine: machine.description.pop(name)

    def memory_twice(machine):
        machine.description['boot']['kernel_fd'] = machine.description['memory_fd']

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
        (drop('cpus'), "'cpus' is missing"),
        (memory_twice, "'kernel_fd': descriptor"),
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
    for arguments in ([], ['--description'], ['--description', 'x'], ['--description', '3', 'more'], ['--other']):
        result = subprocess.run([bare_machine.VMM, *arguments], capture_output=True, text=True)
        if result.returncode != 2 or 'Usage: carrel-vmm' not in result.stderr:
            bare_machine.fail(f'{arguments} are not refused as wrong usage: {result}')


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


def receive(display):
    """A message of base/proto_source.h: its type, its payload, its descriptors."""
    data, fds, _, _ = socket.recv_fds(display, 65536, 8)
    if not data:
        bare_machine.fail("the display's connection has ended")
    kind, _, _, size = struct.unpack_from('=IIiI', data)
    return kind, data[16:16 + size], fds


def wait_for_picture(display, width, height, check):
    """Acknowledges surfaces and reads damage until a surface of this size passes the check."""
    scanout_type, ack_type, damage_type, drawn_type = 2, 3, 4, 5
    surface = None
    while True:
        kind, payload, fds = receive(display)
        if kind == scanout_type:
            _, *size, stride, generation = struct.unpack_from('=IIIIQ', payload)
            surface = None  # without a descriptor it is off
            if fds:
                surface = mmap.mmap(fds[0], 0, prot=mmap.PROT_READ)
                os.close(fds[0])
            send(display, ack_type, struct.pack('=IIQ', 0, 0, generation))
        elif kind == damage_type:
            scanout, _, generation = struct.unpack_from('=IIQ', payload)
            if surface and size == [width, height] and check(surface, stride):
                return
            send(display, drawn_type, struct.pack('=IIQ', scanout, 0, generation))


def send(display, kind, payload):
    display.send(struct.pack('=IIiI', kind, 0, 0, len(payload)) + payload)


def test_seat():
    hello_type, key_type, key_a = 1, 9, 30
    side, token = 64, random.randrange(1000, 10000)
    machine = bare_machine.Machine('seat', command_line=f'{token} hostile')
    path = os.path.join(os.environ['TMPDIR'], 'display')
    machine.description.update(display_fd=machine.listen(path, socket.SOCK_SEQPACKET),
                               scanouts=1, width=640, height=480)
    display = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    display.settimeout(bare_machine.TIMEOUT_S)
    display.connect(path)
    machine.start()

    def is_drawn(surface, stride):
        return all(struct.unpack_from('<I', surface, y * stride + x * 4)[0] & 0xffffff ==
                   token * 1000 + y * side + x for y in range(side) for x in range(side))

    if receive(display)[0] != hello_type:
        bare_machine.fail('the display is not greeted')
    wait_for_picture(display, side, side, is_drawn)
    machine.read_until('note: drawn')
    send(display, key_type, struct.pack('=II', key_a, 1))
    machine.read_until()
    machine.check(0)
    machine.has('note: monitor 640x480')
    machine.has('note: event 1 30 1')
    machine.has('note: event 0 0 0')


bare_machine.run_test({
    'blk': test_blk,
    'contained': test_contained,
    'hello': test_hello,
    'panic': test_panic,
    'pci': test_pci,
    'platform': test_platform,
    'refusals': test_refusals,
    'reset': test_reset,
    'seat': test_seat,
    'smp': test_smp,
})
