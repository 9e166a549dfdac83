# SPDX-License-Identifier: GPL-3.0-or-later
# bare_machine.py - a carrel-vmm with one of the guests of tests/guests/, described and watched as carrel-hostd would
#
#   machine = Machine('hello')
#   machine.description['serial'] = True
#   machine.run()                       # until it ends; complains when the guest did
#   assert 'note: something' in machine.lines
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import contained

BUILD = os.environ['CARREL_BUILD_DIR']
VMM = os.path.join(BUILD, 'vmm', 'carrel-vmm')
GUESTS = os.path.join(BUILD, 'tests', 'guests')
MIB = 1024 * 1024
TIMEOUT_S = 90


def fail(text):
    print(f'FAIL: {text}')
    sys.exit(1)


def need(*paths):
    """Ends the test as skipped where there is no KVM, as failed where something is not built."""
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        print('/dev/kvm is needed')
        sys.exit(77)
    for path in (VMM, *paths):
        if not os.path.exists(path):
            fail(f"'{path}' is not built")


class Machine:
    """One guest. "description" can be changed until start(); what open(), memfd() and listen() give is passed on."""

    def __init__(self, guest, command_line='', ram_mib=16, cpus=1):
        path = os.path.join(GUESTS, f'guest_{guest}.guest')
        need(path)
        self.files = []
        self.lines = []  # what the guest said
        self.log = []
        self.status = None
        self.process = None
        self.memory = self.memfd('memory', ram_mib * MIB)
        self.control_path = os.path.join(os.environ['TMPDIR'], 'control')
        self.description = {
            'version': 1, 'name': 'd-test', 'machine': 'carrel-1', 'cpus': cpus, 'ram_mib': ram_mib,
            'cpu': 'carrel-v0',
            'kvm_fd': self.open('/dev/kvm', os.O_RDWR),
            'memory_fd': self.memory,
            'boot': {'kernel_fd': self.open(path, os.O_RDONLY), 'command_line': command_line},
            'control_fd': self.listen(self.control_path, socket.SOCK_SEQPACKET),
            'control_uid': os.getuid(),
            'serial': True, 'sandbox': True,
        }

    def keep(self, fd):
        self.files.append(fd)
        return fd

    def open(self, path, flags):
        return self.keep(os.open(path, flags | os.O_CLOEXEC))

    def memfd(self, name, size):
        fd = self.keep(os.memfd_create(name))
        os.ftruncate(fd, size)
        return fd

    def file(self, name, data=b'', size=None):
        """For reading only, as a template's files are."""
        fd = self.memfd(name, len(data) if size is None else size)
        os.pwrite(fd, data, 0)
        return self.open(f'/proc/self/fd/{fd}', os.O_RDONLY)

    def listen(self, path, kind):
        if os.path.exists(path):
            os.unlink(path)
        listener = socket.socket(socket.AF_UNIX, kind)
        listener.bind(path)
        listener.listen(1)
        return self.keep(listener.detach())

    def start(self, without=None):
        """In namespaces of its own, as carrel-launch starts it; "without" one of them."""
        text = json.dumps(self.description).encode()
        fd = self.memfd('description', 0)
        os.pwrite(fd, text, 0)
        self.process = subprocess.Popen(
            contained.command([VMM, '--description', str(fd)], without), pass_fds=self.files, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace')
        for file in self.files:
            if file != self.memory:
                os.close(file)
        self.files = []

    def read_until(self, end=None):
        """Reads what it says, to its end or to the first line with this end."""
        signal.signal(signal.SIGALRM, self.handle_timeout)
        signal.alarm(TIMEOUT_S)
        for line in self.process.stdout:
            line = line.rstrip('\n')
            print(line, flush=True)
            self.log.append(line)
            found = re.search(r"guest 'd-test': (.*)", line)
            if found:
                self.lines.append(found[1])
            if end and line.endswith(end):
                break
        else:
            self.status = self.process.wait()
        signal.alarm(0)

    def stop(self):
        """It ends when it is told to, whatever its guest does."""
        contained.terminate(self.process)
        self.read_until()
        self.check(0)

    def check(self, status):
        if self.status != status:
            fail(f'carrel-vmm ended with {self.status}, not {status}')
        for line in self.lines:
            if line.startswith('FAIL'):
                fail(f'the guest says: {line}')

    def run(self, status=0):
        """From its start to its end, which comes in time, with this status and without a complaint of the guest's."""
        self.start()
        self.read_until()
        self.check(status)
        if status == 0 and (not self.lines or self.lines[-1] != 'end'):
            fail('the guest did not come to its end')

    def handle_timeout(self, _signal, _frame):
        self.process.kill()
        fail(f'the guest was not at its end after {TIMEOUT_S} s')

    def has(self, pattern):
        """The guest said a line like this."""
        if not any(re.fullmatch(pattern, line) for line in self.lines):
            fail(f"the guest did not say '{pattern}'")


def run_test(tests):
    """The function whose name is the first argument."""
    started = time.monotonic()
    tests[sys.argv[1]]()
    print(f'passed in {time.monotonic() - started:.1f} s')
