#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_start.py - starts carrel-vmm by hand, as carrel-hostd does: opens all it needs, describes it, becomes it
#
#     vmm_start.py --vmm BUILD/vmm/carrel-vmm --kernel K --initrd I --command-line 'console=ttyS0 quiet' [--disk BASE] ...
#
# The listening sockets vmm, display, agent and vdagent are made in --folder. From Python: start() is a subprocess.Popen.
import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile

import contained


def listen(path, kind):
    """The descriptor of a new listening socket, in the place of an old one."""
    listener = socket.socket(socket.AF_UNIX, kind)
    if os.path.exists(path):
        os.unlink(path)
    listener.bind(path)
    listener.listen(4)
    return listener.detach()


class Description:
    """The JSON and the descriptors that it names; all of them are inherited by carrel-vmm."""

    def __init__(self, name='test', cpus=1, ram_mib=256, cpu='carrel-v1', kvm='/dev/kvm', sandbox=False):
        self.fds = []
        self.json = {'version': 1, 'name': name, 'machine': 'carrel-1', 'cpus': cpus, 'ram_mib': ram_mib, 'cpu': cpu,
                     'kvm_fd': self.open(kvm, os.O_RDWR), 'memory_fd': self.memfd('memory', ram_mib << 20), 'boot': {},
                     'control_uid': os.getuid(), 'serial': True, 'sandbox': sandbox}

    def add(self, fd):
        self.fds.append(fd)
        return fd

    def open(self, path, flags=os.O_RDONLY):
        return self.add(os.open(path, flags | os.O_CLOEXEC))

    def memfd(self, name, size):
        fd = self.add(os.memfd_create(name))
        os.ftruncate(fd, size)
        return fd

    def file(self, name, data=b'', size=None):
        """For reading only, as a template's files are."""
        fd = self.memfd(name, len(data) if size is None else size)
        os.pwrite(fd, data, 0)
        return self.open(f'/proc/self/fd/{fd}')

    def listen(self, path, kind):
        return self.add(listen(path, kind))

    def boot(self, kernel, initrd=None, command_line=''):
        self.json['boot'] = {'kernel_fd': self.open(kernel), 'command_line': command_line}
        if initrd:
            self.json['boot']['initrd_fd'] = self.open(initrd)

    def fork_from(self, memory, state):
        """Instead of booting; both descriptors stay the caller's."""
        os.close(self.json['memory_fd'])
        self.fds.remove(self.json['memory_fd'])
        self.json.update(memory_fd=self.open(f'/proc/self/fd/{memory}'), memory_private=True,
                         state_fd=self.open(f'/proc/self/fd/{state}'))

    def sockets(self, folder, scanouts=0, width=1024, height=768):
        self.control_path = os.path.join(folder, 'vmm')
        self.json['control_fd'] = self.listen(self.control_path, socket.SOCK_SEQPACKET)
        if scanouts:
            self.display(folder, scanouts, width, height)

    def display(self, folder, scanouts=1, width=1024, height=768):
        self.json.update(display_fd=self.listen(os.path.join(folder, 'display'), socket.SOCK_SEQPACKET),
                         scanouts=scanouts, width=width, height=height)

    def ports(self, folder):
        self.json['ports'] = [
            {'name': 'org.carrel.agent.0', 'listen_fd': self.listen(os.path.join(folder, 'agent'), socket.SOCK_STREAM)},
            {'name': 'com.redhat.spice.0', 'listen_fd': self.listen(os.path.join(folder, 'vdagent'), socket.SOCK_STREAM)}]

    def disk(self, slot, serial, base=None, overlay=None):
        disk = {'slot': slot, 'serial': serial}
        if base:
            disk['base_fd'] = self.open(base)
        if overlay:
            disk['overlay_fd'] = self.open(overlay, os.O_RDWR | os.O_CREAT)
        self.json.setdefault('disks', []).append(disk)

    def net(self, mac='52:54:00:12:34:56', path=None):
        self.json['net'] = {'mac': mac, 'kind': 'stream', 'link': bool(path)}
        if path:
            peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            peer.connect(path)
            self.json['net']['fd'] = self.add(peer.detach())


def start(vmm, description, without=None, **popen):
    """"without": a namespace that it shall not have of its own, for contained.command()"""
    text = tempfile.TemporaryFile()
    text.write(json.dumps(description.json).encode())
    text.seek(0)
    command = [vmm, '--description', str(text.fileno())]
    if description.json['sandbox']:
        command = contained.command(command, without)
    process = subprocess.Popen(command, pass_fds=description.fds + [text.fileno()], **popen)
    text.close()
    for fd in description.fds:
        os.close(fd)
    return process


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--vmm', required=True)
    parser.add_argument('--kernel', required=True)
    parser.add_argument('--initrd')
    parser.add_argument('--command-line', default='')
    parser.add_argument('--cpus', type=int, default=1)
    parser.add_argument('--ram', type=int, default=256, help='MiB')
    parser.add_argument('--cpu', default='carrel-v1')
    parser.add_argument('--kvm', default='/dev/kvm')
    parser.add_argument('--folder', help='of the sockets; a temporary one without it')
    parser.add_argument('--scanouts', type=int, default=0)
    parser.add_argument('--disk', metavar='BASE')
    parser.add_argument('--overlay', metavar='FILE')
    parser.add_argument('--home', metavar='BASE', nargs='?', const='')
    parser.add_argument('--net', metavar='SOCKET', nargs='?', const='')
    parser.add_argument('--ports', action='store_true')
    parser.add_argument('--sound', action='store_true')
    parser.add_argument('--genid')
    parser.add_argument('--sandbox', action='store_true')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or temporary
        description = Description(cpus=options.cpus, ram_mib=options.ram, cpu=options.cpu, kvm=options.kvm,
                                  sandbox=options.sandbox)
        description.boot(options.kernel, options.initrd, options.command_line)
        description.sockets(folder, options.scanouts)
        if options.ports:
            description.ports(folder)
        if options.disk:
            description.disk('disk', 'root', options.disk, options.overlay)
        if options.home is not None:
            description.disk('home', 'home', options.home or None)
        if options.net is not None:
            description.net(path=options.net or None)
        if options.sound:
            description.json['sound'] = True
        if options.genid:
            description.json['genid'] = options.genid
        process = start(options.vmm, description)
        signal.signal(signal.SIGTERM, lambda _number, _frame: contained.terminate(process))
        return process.wait()


if __name__ == '__main__':
    sys.exit(main())
