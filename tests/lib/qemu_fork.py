# SPDX-License-Identifier: GPL-3.0-or-later
# qemu_fork.py - a machine that QEMU runs as host/qemu_machine.c starts it: sealed once, and then forked
#
#   machine = Machine(folder, cpus, ram_mib, kernel, command_line, disk)    # "disk" is a descriptor to be written to
#   process, qmp = machine.start('template')                                  # runs, its link is down
#   machine.save(process, qmp, state)                                         # ends; its memory is machine.memory
#
# A fork gets list_command() with an overlay; what it is told over QMP is list_fork_steps(). The sockets agent and vdagent
# are made in the folder of each.
import json
import os
import socket
import subprocess
import time

import vmm_start

QEMU = '/usr/bin/qemu-system-x86_64'
SANDBOX = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'
CAPABILITIES = [{'capability': name, 'state': True} for name in ('events', 'x-ignore-shared')]
BEGIN = ('qmp_capabilities', None, -1)


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
    """Commands one after another."""

    def __init__(self, fd):
        self.socket = socket.socket(fileno=fd)
        self.rest = b''
        self.waits_for_migration = False
        self.steps = []
        self.done_at = None

    def send(self, name, arguments=None, fd=-1):
        message = {'execute': name, **({'arguments': arguments} if arguments else {})}
        socket.send_fds(self.socket, [json.dumps(message).encode() + b'\n'], [fd] if fd >= 0 else [])
        if fd >= 0:
            os.close(fd)

    def run(self, steps):
        """(command, arguments, descriptor): each when the one before is answered, the first when QEMU greets or nothing is left."""
        self.steps = list(steps)
        if self.done_at:
            self.done_at = None
            self.go_on()

    def finish(self):
        while not self.done_at:
            self.handle()

    def handle(self):
        data = self.socket.recv(65536)
        if not data:
            raise SystemExit('QEMU has ended too early')
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
        if not self.waits_for_migration:
            self.go_on()

    def go_on(self):
        if not self.steps:
            self.done_at = time.monotonic()
            return
        name, arguments, fd = self.steps.pop(0)
        self.waits_for_migration = name in ('migrate', 'migrate-incoming')
        self.send(name, arguments, fd)


def list_transfer(command, state):
    return [('migrate-set-capabilities', {'capabilities': CAPABILITIES}, -1), ('getfd', {'fdname': 'state'}, state),
            (command, {'uri': 'fd:state'}, -1)]


def list_fork_steps(state):
    """host/engine_qemu_fork.c without its two comparisons"""
    return [BEGIN, *list_transfer('migrate-incoming', state), ('cont', None, -1)]


class Machine:
    def __init__(self, folder, cpus, ram_mib, kernel, command_line, disk, initrd=None, options=()):
        """"options" are more than host/qemu_machine.c has."""
        self.folder = folder
        self.cpus = cpus
        self.ram_mib = ram_mib
        self.kernel = kernel
        self.command_line = command_line
        self.disk = disk
        self.initrd = initrd
        self.options = list(options)
        self.memory = -1

    def list_boot(self):
        """What the firmware starts, and the descriptors of that."""
        command, fds = ['-append', self.command_line], []
        for option, path in (('-kernel', self.kernel), ('-initrd', self.initrd)):
            if path:
                fds.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
                command += [option, f'/proc/self/fd/{fds[-1]}']
        return command, fds

    @staticmethod
    def list_disk(disk, overlay):
        is_fork = overlay >= 0
        node = 'base' if is_fork else 'disk'
        options = 'read-only=on' if is_fork else 'read-only=off,discard=unmap'
        command = ['-add-fd', f'fd={disk},set=1',
                   '-blockdev', f'driver=file,node-name={node}-file,filename=/dev/fdset/1,locking=off,{options}',
                   '-blockdev', f'driver=raw,node-name={node},file={node}-file,{options}']
        if is_fork:
            command += [
                '-add-fd', f'fd={overlay},set=2', '-blockdev',
                'driver=file,node-name=disk-file,filename=/dev/fdset/2,locking=off,discard=unmap,cache.no-flush=on', '-blockdev',
                'driver=qcow2,node-name=disk,file=disk-file,backing=base,discard=unmap,cache.no-flush=on,l2-cache-size=1048576']
        return command

    def list_command(self, name, memory, disk, overlay, qmp):
        """host/qemu_machine.c; of a fork where there is an overlay. And all that it inherits, the four among it."""
        folder = os.path.join(self.folder, name)
        os.makedirs(folder, exist_ok=True)
        agent, vdagent = (vmm_start.listen(os.path.join(folder, port), socket.SOCK_STREAM) for port in ('agent', 'vdagent'))
        boot, inherited = self.list_boot()
        is_fork = overlay >= 0
        command = [
            QEMU, '-nodefaults', '-no-user-config', '-sandbox', SANDBOX, '-name', name,
            '-machine', 'pc-q35-7.2,memory-backend=ram,mem-merge=off,vmport=off', '-accel', 'kvm', '-cpu', 'Nehalem',
            '-smp', str(self.cpus), '-m', str(self.ram_mib), '-object',
            f'memory-backend-file,id=ram,size={self.ram_mib}M,mem-path=/proc/self/fd/{memory},share={"off" if is_fork else "on"}',
            *boot, *self.options,
            '-chardev', f'socket,id=control,fd={qmp},server=off', '-mon', 'chardev=control,mode=control',
            '-chardev', f'socket,id=agent,fd={agent},server=on,wait=off',
            '-chardev', f'socket,id=vdagent,fd={vdagent},server=on,wait=off',
            '-display', 'dbus,p2p=yes', '-object', 'rng-builtin,id=entropy',
            '-netdev', 'hubport,id=hub,hubid=0', '-netdev', 'hubport,id=open,hubid=0',
            *self.list_disk(disk, overlay), *list_devices(), *(['-incoming', 'defer'] if is_fork else ['-S'])]
        inherited += [memory, disk, qmp, agent, vdagent] + ([overlay] if is_fork else [])
        return command, inherited

    def start(self, name, **popen):
        """The machine that is to be sealed: its process, and its QMP."""
        self.memory = os.memfd_create('memory', os.MFD_ALLOW_SEALING)
        os.ftruncate(self.memory, self.ram_mib << 20)
        ours, its = socket.socketpair()
        command, inherited = self.list_command(name, os.dup(self.memory), os.dup(self.disk), -1, its.detach())
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=inherited, **popen)
        for fd in inherited:
            os.close(fd)
        qmp = Qmp(ours.detach())
        qmp.run([BEGIN, ('set_link', {'name': 'net', 'up': False}, -1), ('cont', None, -1)])
        qmp.finish()
        return process, qmp

    @staticmethod
    def save(process, qmp, state):
        """The descriptor of its state goes."""
        qmp.run([('stop', None, -1), *list_transfer('migrate', state), ('quit', None, -1)])
        qmp.finish()
        process.wait()
