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
import spawned  # noqa: E402
import vmm_fork  # noqa: E402
import vmm_start  # noqa: E402

CPUS = 2
SETTLED = 'note: is settled'
GO_ADDRESS = 0x8ff0  # tests/guests/guest_go.c
BOOT_S, BOOTS = 60, 6
FORK_S = 30
DISK_BYTES = 1 << 20
QEMU = '/usr/bin/qemu-system-x86_64'
QEMU_SANDBOX = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'


def let_go(memory):
    os.pwrite(memory, b'\1\0\0\0', GO_ADDRESS)


def reopen(fd, flags=os.O_RDONLY):
    """The same file at its beginning, as whoever opens it anew."""
    return os.open(f'/proc/self/fd/{fd}', flags | os.O_CLOEXEC)


class Fork:
    """A process on its way to its guest's first instruction. "fds" can be read when there is something to do."""

    def __init__(self, command, inherited, namespaces, environment=None):
        self.output, output = os.pipe()
        self.rest = b''
        self.lines = []
        self.started_at = self.running_at = None
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
        if line.startswith('start '):
            self.started_at = float(line.split()[1])
        elif line.endswith('go'):
            self.running_at = now

    def ms(self):
        return (self.running_at - self.started_at) * 1000

    def end(self):
        spawned.end(self.pid)
        for fd in self.fds:
            os.close(fd)


class CarrelTemplate:
    name = 'carrel'

    def __init__(self, ram_mib, folder):
        self.folder = folder
        self.template = vmm_fork.Template('go', CPUS, ram_mib, SETTLED, self.add_devices)
        let_go(self.template.memory)

    @staticmethod
    def add_devices(machine):
        machine.display(machine.folder)
        machine.ports(machine.folder)
        machine.net()

    def fork(self, name, environment=None):
        machine = self.template.fork(name)
        text = machine.file('description', json.dumps(machine.json).encode())
        return Fork([bare_machine.VMM, '--description', str(text)], machine.fds, spawned.CONTAINED, environment)


def list_devices():
    """host/qemu_machine.c: device_table"""
    devices = [('video', 'virtio-vga', 2, 'edid=on,xres=1280,yres=800'), ('keyboard', 'virtio-keyboard-pci', 3, ''),
               ('tablet', 'virtio-tablet-pci', 4, ''), ('rng', 'virtio-rng-pci', 5, 'rng=entropy'),
               ('serial', 'virtio-serial-pci', 6, ''),
               ('vdagent-port', 'virtserialport', 0, 'bus=serial.0,nr=1,chardev=vdagent,name=com.redhat.spice.0'),
               ('agent-port', 'virtserialport', 0, 'bus=serial.0,nr=2,chardev=agent,name=org.carrel.agent.0'),
               ('disk', 'virtio-blk-pci', 7, 'drive=disk'),
               ('net', 'virtio-net-pci', 8, 'netdev=hub,mac=52:54:00:ca:44:e1,romfile=,host_mtu=65520'),
               ('home-port', 'pcie-root-port', 9, 'chassis=1'), ('generation', 'vmgenid', 0, 'guid=auto')]
    command = []
    for name, driver, slot, options in devices:
        place = f',bus=pcie.0,addr={slot:#x}' if slot else ''
        command += ['-device', f'{driver},id={name}{place}' + (f',{options}' if options else '')]
    return command


class Qmp:
    """Commands one after another; "then" is called when the last is done."""

    def __init__(self, fd):
        self.socket = socket.socket(fileno=fd)
        self.rest = b''
        self.waits_for_migration = False
        self.steps = []

    def send(self, name, arguments=None, fd=-1):
        message = {'execute': name, **({'arguments': arguments} if arguments else {})}
        socket.send_fds(self.socket, [json.dumps(message).encode() + b'\n'], [fd] if fd >= 0 else [])
        if fd >= 0:
            os.close(fd)

    def run(self, steps):
        """(command, arguments, descriptor); the first when QEMU greets, each when the one before is answered."""
        self.steps = list(steps)

    def handle(self):
        data = self.socket.recv(65536)
        if not data:
            raise SystemExit('QEMU ended before its guest ran')
        *lines, self.rest = (self.rest + data).split(b'\n')
        for line in lines:
            self.take(json.loads(line))

    def take(self, message):
        if 'error' in message:
            raise SystemExit(f'QEMU: {message["error"]["desc"]}')
        if message.get('event') == 'MIGRATION':
            if message['data']['status'] == 'failed':
                raise SystemExit('QEMU could not transfer the state')
            if message['data']['status'] != 'completed':
                return
            self.waits_for_migration = False
        elif 'return' not in message and 'QMP' not in message:
            return
        if self.waits_for_migration or not self.steps:
            return
        name, arguments, fd = self.steps.pop(0)
        self.waits_for_migration = name in ('migrate', 'migrate-incoming')
        self.send(name, arguments, fd)


CAPABILITIES = [{'capability': name, 'state': True} for name in ('events', 'x-ignore-shared')]


def list_transfer(command, state):
    """QMP steps from the greeting to a state that is loaded or saved: host/engine_qemu_fork.c without its two comparisons"""
    return [('migrate-set-capabilities', {'capabilities': CAPABILITIES}, -1), ('getfd', {'fdname': 'state'}, state),
            (command, {'uri': 'fd:state'}, -1)]


class QemuFork(Fork):
    def __init__(self, command, inherited, qmp, state):
        self.qmp = Qmp(qmp)
        self.qmp.run([('qmp_capabilities', None, -1), *list_transfer('migrate-incoming', state), ('cont', None, -1)])
        super().__init__(command, inherited, spawned.WITHOUT_NETWORK)
        self.fds.append(qmp)

    def handle(self, fd):
        if fd == self.output:
            super().handle(fd)
        else:
            self.qmp.handle()

    def end(self):
        self.qmp.socket.detach()
        super().end()


class QemuTemplate:
    name = 'qemu'

    def __init__(self, ram_mib, folder):
        self.ram_mib = ram_mib
        self.folder = folder
        self.kernel = os.path.join(bare_machine.GUESTS, 'guest_go.guest')
        self.disk = os.memfd_create('disk')
        os.ftruncate(self.disk, DISK_BYTES)
        empty = os.path.join(folder, 'empty.qcow2')
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', empty, str(DISK_BYTES)], check=True)
        with open(empty, 'rb') as file:
            self.overlay = file.read()
        # Without hardware virtualization its firmware does not always come to its end
        for _ in range(BOOTS):
            if self.seal():
                return
        raise SystemExit(f'QEMU did not boot its template in {BOOTS} attempts')

    def list_command(self, is_fork, memory, disk, overlay, qmp, folder):
        """host/qemu_machine.c; a serial port more, and no initrd. Sets what it inherits, too."""
        agent, vdagent = (vmm_start.listen(os.path.join(folder, name), socket.SOCK_STREAM) for name in ('agent', 'vdagent'))
        kernel = os.open(self.kernel, os.O_RDONLY | os.O_CLOEXEC)
        inherited = [memory, disk, qmp, agent, vdagent, kernel] + ([overlay] if is_fork else [])
        node = 'base' if is_fork else 'disk'
        read_only = 'on' if is_fork else 'off'
        command = [
            QEMU, '-nodefaults', '-no-user-config', '-sandbox', QEMU_SANDBOX, '-name', 'fork',
            '-machine', 'pc-q35-7.2,memory-backend=ram,vmport=off', '-accel', 'kvm', '-cpu', 'Nehalem',
            '-smp', str(CPUS), '-m', str(self.ram_mib), '-object',
            f'memory-backend-file,id=ram,size={self.ram_mib}M,mem-path=/proc/self/fd/{memory},share={"off" if is_fork else "on"}',
            '-kernel', f'/proc/self/fd/{kernel}', '-append', str(CPUS), '-serial', 'stdio',
            '-chardev', f'socket,id=control,fd={qmp},server=off', '-mon', 'chardev=control,mode=control',
            '-chardev', f'socket,id=agent,fd={agent},server=on,wait=off',
            '-chardev', f'socket,id=vdagent,fd={vdagent},server=on,wait=off',
            '-display', 'dbus,p2p=yes', '-object', 'rng-builtin,id=entropy',
            '-netdev', 'hubport,id=hub,hubid=0', '-netdev', 'hubport,id=open,hubid=0',
            '-add-fd', f'fd={disk},set=1',
            '-blockdev', f'driver=file,node-name={node}-file,filename=/dev/fdset/1,read-only={read_only},locking=off',
            '-blockdev', f'driver=raw,node-name={node},file={node}-file,read-only={read_only}']
        if is_fork:
            command += [
                '-add-fd', f'fd={overlay},set=2', '-blockdev',
                'driver=file,node-name=disk-file,filename=/dev/fdset/2,locking=off,discard=unmap,cache.no-flush=on', '-blockdev',
                'driver=qcow2,node-name=disk,file=disk-file,backing=base,discard=unmap,cache.no-flush=on,l2-cache-size=1048576',
                '-incoming', 'defer']
        return command + list_devices(), inherited

    def make_folder(self, name):
        folder = os.path.join(self.folder, name)
        os.makedirs(folder, exist_ok=True)
        return folder

    def seal(self):
        """False: it did not boot."""
        self.memory = os.memfd_create('memory', os.MFD_ALLOW_SEALING)
        os.ftruncate(self.memory, self.ram_mib << 20)
        self.state = os.memfd_create('state')
        ours, its = socket.socketpair()
        command, inherited = self.list_command(False, os.dup(self.memory), os.dup(self.disk), -1, its.detach(),
                                               self.make_folder('template'))
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, pass_fds=inherited)
        for fd in inherited:
            os.close(fd)
        if not self.wait_for_guest(process):
            process.kill()
            process.wait()
            print('QEMU has not booted its template: again', flush=True)
            return False
        qmp = Qmp(ours.detach())
        qmp.run([('qmp_capabilities', None, -1), ('stop', None, -1), *list_transfer('migrate', os.dup(self.state)),
                 ('quit', None, -1)])
        while qmp.steps:
            qmp.handle()
        process.wait()
        let_go(self.memory)
        fcntl.fcntl(self.memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
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
        ours, its = socket.socketpair()
        command, inherited = self.list_command(True, os.dup(self.memory), reopen(self.disk), overlay, its.detach(),
                                               self.make_folder(name))
        return QemuFork(command, inherited, ours.detach(), reopen(self.state))
