# SPDX-License-Identifier: GPL-3.0-or-later
# fork_sides.py - a small sealed guest (tests/guests/guest_go.c), and its forks by carrel-vmm and by QEMU (fork_native.py)
#
#   template = CarrelTemplate(1024, folder)     # or QemuTemplate: boots the guest once, and seals it
#   fork = template.fork('fork-1')               # a process that has begun to start
#   fork.handle(fd)                              # whenever one of fork.fds can be read, until fork.running_at is there
#   fork.end()
#
# Both are started with what a desktop has: 2 CPUs, a screen, keyboard and pointer, a disk under an overlay, a network card without
# a link, the two ports, random numbers, a generation id. What a fork needs of files is made before its clock starts.
#
# The guest says "go" on its serial port, 0x3f8, which both pass on to a pipe: the one device that both have alike and that takes no
# driver. It does so when a word of its memory is not 0, which is written into the template's memory file: that needs nothing of
# the VMM, and the guest is quiet until then.
import fcntl
import json
import os
import selectors
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import bare_machine  # noqa: E402
import memory_file  # noqa: E402
import qemu_fork  # noqa: E402
import spawned  # noqa: E402
import vmm_fork  # noqa: E402

CPUS = 2
SETTLED = 'note: is settled'
BOOT_S, BOOTS = 60, 6
DISK_BYTES = 1 << 20


def reopen(fd, flags=os.O_RDONLY):
    """The same file at its beginning, as whoever opens it anew."""
    return os.open(f'/proc/self/fd/{fd}', flags | os.O_CLOEXEC)


class Fork:
    """A process on its way to its guest's first instruction. "fds" can be read when there is something to do."""
    says_when_running = 'go'

    def __init__(self, command, inherited, namespaces, environment=None):
        self.output, output = os.pipe()
        self.rest = b''
        self.lines = []
        self.entered_at = self.started_at = self.running_at = None
        self.fds = [self.output]
        self.pid = spawned.spawn(command, inherited, output, namespaces, environment)
        os.close(output)
        for fd in inherited:
            os.close(fd)

    def handle(self, _fd):
        data = os.read(self.output, 65536)
        now = time.monotonic()
        if not data:
            raise SystemExit('it ended before its guest ran:\n' + '\n'.join(self.lines))
        *lines, self.rest = (self.rest + data).split(b'\n')
        for line in lines:
            self.take(line.decode(errors='replace').rstrip(), now)

    def take(self, line, now):
        self.lines.append(line)
        if line.startswith('enter '):
            self.entered_at = float(line.split()[1])
        elif line.startswith('start '):
            self.started_at = float(line.split()[1])
        elif line.endswith(self.says_when_running):
            self.running_at = now

    def ms(self, end=None):
        """From the start to there, or to the first instruction."""
        return ((end or self.running_at) - self.started_at) * 1000

    def namespaces_ms(self):
        """What it took to make its namespaces, which is before the start."""
        return (self.started_at - self.entered_at) * 1000

    def end(self):
        spawned.end(self.pid)
        for fd in self.fds:
            os.close(fd)


def start_carrel(kind, machine, environment=None):
    """A fork, of this kind, of what a vmm_start.Description describes."""
    machine.json['control_uid'] = spawned.UNKNOWN_UID
    text = machine.file('description', json.dumps(machine.json).encode())
    return kind([bare_machine.VMM, '--description', str(text)], machine.fds, spawned.CONTAINED, environment)


class CarrelTemplate:
    name = 'carrel'

    def __init__(self, ram_mib, folder):
        self.folder = folder
        self.template = vmm_fork.Template('go', CPUS, ram_mib, SETTLED, self.add_devices)
        vmm_fork.let_go(self.template.memory)

    @staticmethod
    def add_devices(machine):
        machine.display(machine.folder)
        machine.ports(machine.folder)
        machine.net()

    def fork(self, name, environment=None):
        return start_carrel(Fork, self.template.fork(name), environment)


class CarrelOnDisk:
    """Forks of the same machine over a file on a disk, as engine kvm maps it by default; prepare(file) is called before each."""
    name = 'carrel'

    def __init__(self, template, memory, prepare):
        self.template = template
        self.memory = memory
        self.prepare = prepare

    def fork(self, name, environment=None):
        self.prepare(self.memory)
        return start_carrel(Fork, self.template.fork(name, memory=self.memory), environment)


def make_on_disk(carrel):
    """The same template on a disk twice: when a fork begins all of its memory is in the page cache, or none."""
    memory = memory_file.copy(carrel.template.memory, bare_machine.BUILD)
    return [CarrelOnDisk(carrel.template, memory, prepare) for prepare in (memory_file.load, memory_file.drop)]


class QemuFork(Fork):
    def __init__(self, machine, name, overlay, state):
        """The overlay's descriptor goes, the state's stays."""
        ours, its = socket.socketpair()
        command, inherited = machine.list_command(name, os.dup(machine.memory), reopen(machine.disk), overlay, its.detach())
        self.qmp = qemu_fork.Qmp(ours.detach())
        self.qmp.run(qemu_fork.list_fork_steps(reopen(state)))
        super().__init__(command, inherited, spawned.WITHOUT_NETWORK)
        self.fds.append(self.qmp.socket.fileno())

    def handle(self, fd):
        if fd == self.output:
            super().handle(fd)
        else:
            self.qmp.handle()

    def end(self):
        self.qmp.socket.detach()
        super().end()


def make_empty_overlay(path, size):
    """What host/overlay.c writes."""
    subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', path, str(size)], check=True)
    with open(path, 'rb') as file:
        return file.read()


class QemuTemplate:
    name = 'qemu'

    def __init__(self, ram_mib, folder):
        disk = os.memfd_create('disk')
        os.ftruncate(disk, DISK_BYTES)
        kernel = os.path.join(bare_machine.GUESTS, 'guest_go.guest')
        self.machine = qemu_fork.Machine(folder, CPUS, ram_mib, kernel, str(CPUS), disk, options=['-serial', 'stdio'])
        self.overlay = make_empty_overlay(os.path.join(folder, 'empty.qcow2'), DISK_BYTES)
        self.state = os.memfd_create('state')
        # Without hardware virtualization its firmware does not always come to its end
        for _ in range(BOOTS):
            if self.seal():
                return
        raise SystemExit(f'QEMU did not boot its template in {BOOTS} attempts')

    def seal(self):
        """False: it did not boot."""
        process, qmp = self.machine.start('template', stdout=subprocess.PIPE)
        if not self.wait_for_guest(process):
            process.kill()
            process.wait()
            print('QEMU has not booted its template: again', flush=True)
            return False
        self.machine.save(process, qmp, os.dup(self.state))
        memory = self.machine.memory
        vmm_fork.let_go(memory)
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
        return True

    @staticmethod
    def wait_for_guest(process):
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            text = b''
            while selector.select(BOOT_S):
                data = os.read(process.stdout.fileno(), 65536)
                text += data
                if SETTLED.encode() in text:
                    return True
                if not data:
                    return False
        return False

    def fork(self, name, _environment=None):
        overlay = os.memfd_create('overlay')
        os.write(overlay, self.overlay)
        return QemuFork(self.machine, name, overlay, self.state)
