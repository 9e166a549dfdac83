# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_driver.py - carrel-vmm on /dev/kvm with guests that are small enough where KVM emulates: vmm_driver.py TEST
import errno
import fcntl
import os
import random
import re
import resource
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../lib'))
import bare_machine  # noqa: E402
import vmm_link  # noqa: E402
import vmm_screen  # noqa: E402


def test_hello():
    machine = bare_machine.Machine('hello', command_line='one two=3', ram_mib=16)
    machine.run()
    machine.has("note: command line 'one two=3'")
    machine.has('note: memory 0x0 bytes=0x9fc00 type=1')
    machine.has('note: memory 0x100000 bytes=0xf00000 type=1')
    machine.has('note: memory 0xe0000 bytes=0x20000 type=2')
    # the most there may be, of which the larger part lies above the hole below 4 GiB
    machine = bare_machine.Machine('hello', ram_mib=65536)
    machine.run()
    machine.has('note: memory 0x100000 bytes=0xbff00000 type=1')
    machine.has('note: memory 0x100000000 bytes=0xf40000000 type=1')


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


def check_lack_of_memory():
    """As much address space as the program needs, and not its guest's RAM as well."""
    machine = bare_machine.Machine('hello', ram_mib=1024)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, limits[1]))
    machine.start()
    resource.setrlimit(resource.RLIMIT_AS, limits)
    machine.finish(status=1)
    if len(machine.log) != 1 or "the guest's memory cannot be mapped: Cannot allocate memory" not in machine.log[0]:
        bare_machine.fail(f'without memory for its guest it said {machine.log}')


def test_refusals():
    """Each is refused with one line that says why."""
    def kernel(data):
        def change(machine):
            machine.json['boot']['kernel_fd'] = machine.file('kernel', data)
        return change

    def initrd(size):
        def change(machine):
            machine.json['boot']['initrd_fd'] = machine.file('initrd', size=size)
        return change

    def key(name, value):
        def change(machine):
            machine.json[name] = value
        return change

    def drop(name):
        return lambda machine: machine.json.pop(name)

    def disk(base=bytes(4096), overlay=b'', flags=os.O_RDWR):
        def change(machine):
            memfd = machine.memfd('overlay', len(overlay))
            os.pwrite(memfd, overlay, 0)
            machine.json['disks'] = [{'slot': 'disk', 'serial': 'root', 'base_fd': machine.file('base', base),
                                      'overlay_fd': machine.open(f'/proc/self/fd/{memfd}', flags)}]
        return change

    def pipe_as_base(machine):
        reader, writer = os.pipe()
        machine.add(writer)
        machine.json['disks'] = [{'slot': 'disk', 'serial': 'root', 'base_fd': machine.add(reader)}]

    def overlay_of_larger(machine):
        """As a machine has left it whose disk was twice as large."""
        first = bare_machine.Machine('hello')
        overlay = first.memfd('overlay', 0)
        kept = os.dup(overlay)
        first.json['disks'] = [{'slot': 'disk', 'serial': 'root', 'base_fd': first.file('base', size=8192),
                                'overlay_fd': overlay}]
        first.run()
        machine.sockets(machine.folder)  # the first one's are in the same place
        machine.json['disks'] = [{'slot': 'disk', 'serial': 'root', 'base_fd': machine.file('base', size=4096),
                                  'overlay_fd': machine.add(kept)}]

    def overlay_in_use(machine):
        """By whoever has opened it another time."""
        disk()(machine)
        other = machine.open(f'/proc/self/fd/{machine.json["disks"][0]["overlay_fd"]}', os.O_RDWR)
        fcntl.fcntl(other, fcntl.F_OFD_SETLK, struct.pack('=hhxxxxqqixxxx', fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))

    def memory_twice(machine):
        machine.json['boot']['kernel_fd'] = machine.json['memory_fd']

    def null_kvm(machine):
        machine.json['kvm_fd'] = machine.open('/dev/null', os.O_RDWR)

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
        (key('ram_mib', 65537), "'ram_mib' in the description is out of range"),
        (key('ram_mib', 0), "'ram_mib' in the description is out of range"),
        (disk(base=bytes(1000)), 'has 1000 bytes; a disk has whole sectors'),
        (disk(overlay=b'no overlay' * 10000), 'it is not an overlay'),
        (disk(flags=os.O_RDONLY), "'overlay_fd' of root: descriptor"),
        (pipe_as_base, "'base_fd' of root: descriptor"),
        (overlay_of_larger, 'the base has 4096 bytes, but its overlay was made over one of 8192 bytes'),
        (overlay_in_use, "disk 'root': what it is kept in is in use by another machine or another disk"),
        (drop('memory_fd'), "'memory_fd' is missing"),
    ]
    for change, problem in cases:
        machine = bare_machine.Machine('hello')
        change(machine)
        machine.run(status=1)
        if len(machine.log) != 1 or problem not in machine.log[0]:
            bare_machine.fail(f"it said {machine.log}, not one line with '{problem}'")
    check_lack_of_memory()
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
        machine.json['disks'] = [disk]
        machine.run()


def refuse_home(control, medium, fds, wanted):
    try:
        control.set_home(medium, fds)
    except OSError as error:
        if error.errno == wanted:
            return
    bare_machine.fail(f'a home {medium} was not refused with {errno.errorcode[wanted]}')


def test_home():
    for medium in (vmm_link.MEDIUM_RAW, vmm_link.MEDIUM_OVERLAY):
        machine = bare_machine.Machine('home')
        machine.disk('home', 'home')
        base = os.dup(make_disk(machine))
        image = os.memfd_create('image')
        writable = os.memfd_create('base')
        os.ftruncate(writable, 2048 * 512)
        if medium == vmm_link.MEDIUM_RAW:
            os.write(image, os.pread(base, 2048 * 512, 0))
        fds = [image] if medium == vmm_link.MEDIUM_RAW else [base, image]
        # a file that is only read, and a base that could be written
        wrong_fds = [base] if medium == vmm_link.MEDIUM_RAW else [writable, image]
        machine.start()
        machine.read_until('note: empty')
        control = vmm_link.Control(machine.control_path)
        refuse_home(control, vmm_link.MEDIUM_NONE, [], errno.ENOENT)
        refuse_home(control, medium, wrong_fds, errno.EINVAL)
        control.set_home(medium, fds)
        refuse_home(control, medium, fds, errno.EBUSY)
        machine.read_until('note: written')
        control.set_home(vmm_link.MEDIUM_NONE)
        if medium == vmm_link.MEDIUM_RAW and os.pread(image, 8, 9 * 512) != struct.pack('<Q', 0x686f6d65):
            bare_machine.fail('the image does not hold what the guest wrote')
        machine.read_until('note: gone')
        control.set_home(medium, fds)
        if not control.status()['has_home']:
            bare_machine.fail('carrel-vmm does not know of the home')
        machine.finish()


def check_screenshot(control, side, first):
    """Raw pixels of the first monitor, as carrel-hostd asks for them."""
    memfd = os.memfd_create('picture')
    width, height, stride = struct.unpack('=III', control.ask(vmm_link.SCREENSHOT, fds=[memfd]))
    pixels = os.pread(memfd, 1 << 20, 0)
    os.close(memfd)
    if (width, height, stride, len(pixels)) != (side, side, side * 4, side * side * 4):
        bare_machine.fail(f'the screenshot is {width}x{height}, stride {stride}, {len(pixels)} bytes')
    found = [pixel & 0xffffff for pixel, in struct.iter_unpack('<I', pixels)]
    if found != list(range(first, first + side * side)):
        bare_machine.fail(f'the screenshot begins with {found[:4]}, not {first}')


def test_seat():
    key_a, side, token = 30, 64, random.randrange(1000, 10000)
    machine = bare_machine.Machine('seat', command_line=f'{token} hostile')
    machine.display(machine.folder, scanouts=2, width=640, height=480)
    screen = vmm_screen.Screen(os.path.join(machine.folder, 'display'))
    machine.start()

    def is_drawn(seed):
        return (screen.pixels and (screen.width, screen.height) == (side, side) and
                all(struct.unpack_from('<I', screen.pixels, y * screen.stride + x * 4)[0] & 0xffffff ==
                    seed * 1000 + y * side + x for y in range(side) for x in range(side)))

    def wait_for_picture(seed):
        while not is_drawn(seed):
            screen.step(bare_machine.TIMEOUT_S)

    wait_for_picture(token)
    machine.read_until('note: one monitor')
    check_screenshot(vmm_link.Control(machine.control_path), side, token * 1000)
    screen.watch(1)
    screen.send(vmm_link.SIZE, struct.pack('=III', 1, 800, 600))
    wait_for_picture(token + 1)
    machine.read_until('note: drawn')
    screen.send(vmm_link.KEY, struct.pack('=II', key_a, 1))
    machine.finish()
    machine.has('note: monitor 640x480')
    machine.has('note: second monitor 800x600 at 640')
    machine.has('note: event 1 30 1')
    machine.has('note: event 0 0 0')


bare_machine.run_test({
    'blk': test_blk,
    'contained': test_contained,
    'hello': test_hello,
    'home': test_home,
    'panic': test_panic,
    'pci': test_pci,
    'platform': test_platform,
    'refusals': test_refusals,
    'reset': test_reset,
    'seat': test_seat,
    'smp': test_smp,
})
