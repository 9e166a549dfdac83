# SPDX-License-Identifier: GPL-3.0-or-later
# bare_machine.py - a carrel-vmm with one of the guests of tests/guests/, described and watched as carrel-hostd would
#
#   machine = Machine('hello')
#   machine.json['serial'] = False     # tests/lib/vmm_start.py makes the description
#   machine.run()                       # until it ends; complains when the guest did
#   assert 'note: something' in machine.lines
import os
import re
import signal
import subprocess
import sys
import time

import contained
import vmm_start

BUILD = os.environ['CARREL_BUILD_DIR']
VMM = os.path.join(BUILD, 'vmm', 'carrel-vmm')
GUESTS = os.path.join(BUILD, 'tests', 'guests')
MIB = 1 << 20
TIMEOUT_S = 90
MAX_COMPLAINTS = 4  # about one device in a minute


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


class Machine(vmm_start.Description):
    """One guest; its description can be changed until start()."""

    def __init__(self, guest, command_line='', ram_mib=16, cpus=1, folder=None):
        path = os.path.join(GUESTS, f'guest_{guest}.guest')
        need(path)
        super().__init__('d-test', cpus, ram_mib, cpu='carrel-v0', sandbox=True)
        self.folder = folder or os.environ['TMPDIR']
        os.makedirs(self.folder, exist_ok=True)
        self.boot(path, command_line=command_line)
        self.sockets(self.folder)
        self.memory = os.dup(self.json['memory_fd'])
        self.lines = []  # what the guest said
        self.log = []
        self.status = None
        self.process = None

    def start(self, without=None):
        """In namespaces of its own, as carrel-launch starts it; "without" one of them."""
        self.process = vmm_start.start(VMM, self, without, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True, errors='replace')

    def read_until(self, end=None):
        """Reads what it says, to its end or to the first line that ends like this."""
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

    def stop(self, status=0):
        """It ends when it is told to, whatever its guest does."""
        contained.terminate(self.process)
        self.read_until()
        self.check(status)

    def check(self, status):
        if self.status != status:
            fail(f'carrel-vmm ended with {self.status}, not {status}')
        for line in self.lines:
            if line.startswith('FAIL'):
                fail(f'the guest says: {line}')

    def finish(self, status=0):
        """It comes to its end in time, with this status and without a complaint of the guest's."""
        self.read_until()
        self.check(status)
        if status == 0 and (not self.lines or self.lines[-1] != 'end'):
            fail('the guest did not come to its end')

    def run(self, status=0):
        self.start()
        self.finish(status)

    def handle_timeout(self, _signal, _frame):
        self.process.kill()
        fail(f'the guest was not at its end after {TIMEOUT_S} s')

    def has(self, pattern):
        """The guest said a line like this."""
        if not any(re.fullmatch(pattern, line) for line in self.lines):
            fail(f"the guest did not say '{pattern}'")


    def has_complained(self, device, slot, what):
        """The log says what the guest's driver did wrong, but not for ever."""
        lines = [line for line in self.log if f'{device} slot={slot}: ' in line]
        if not 0 < len(lines) <= MAX_COMPLAINTS or not any(what in line for line in lines):
            fail(f"not one to {MAX_COMPLAINTS} lines about {device}, with '{what}': {lines}")


def run_test(tests):
    """The function whose name is the first argument."""
    started = time.monotonic()
    tests[sys.argv[1]]()
    print(f'passed in {time.monotonic() - started:.1f} s')
