# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_fork.py - a sealed machine with one of the guests of tests/guests/, and machines that go on from there
#
#   template = Template('fork', cpus=2)       # boots it, waits for "note: is settled", seals it
#   machine = template.fork()                  # a bare_machine.Machine, which can be changed until run()
#   machine.run()
#
# With the guest 'go' a fork does nothing until let_go(template.memory), which changes the template.
import hashlib
import os
import shutil
import signal
import tempfile
import time

import bare_machine
import vmm_link

DISK_BYTES = bare_machine.MIB
GO_ADDRESS = 0x8ff0  # tests/guests/guest_go.c


def make_genid():
    return os.urandom(16).hex()


def copy_file(fd):
    """A new file in memory with the same bytes, and the same holes."""
    copy = os.memfd_create('copy')
    with open(f'/proc/self/fd/{fd}', 'rb') as source, open(f'/proc/self/fd/{copy}', 'wb') as target:
        shutil.copyfileobj(source, target)
    return copy


def get_hash(fd):
    with open(f'/proc/self/fd/{fd}', 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def let_go(memory):
    os.pwrite(memory, b'\1\0\0\0', GO_ADDRESS)


def expect_untouched(template, hashes):
    if template.get_hashes() != hashes:
        bare_machine.fail('a fork has changed a file of its template')


def expect_refusal(machine, status, problem):
    machine.run(status)
    if len(machine.log) != 1 or problem not in machine.log[0]:
        bare_machine.fail(f"it said {machine.log}, not one line with '{problem}'")


def wait_until_old(sealed, age_s):
    """So long ago that template, or that suspended machine, was sealed: it is the host's clock that is waited for."""
    time.sleep(max(0, sealed.sealed_at + age_s - time.monotonic()))


class Suspended:
    """A fork that runs: it is paused, its state and its own pages are kept in files, and it ends, or crashes."""

    def __init__(self, machine, crashes=False):
        self.genid = machine.json['genid']
        self.overlay = machine.overlay
        self.state = os.memfd_create('state')
        self.pages = os.memfd_create('pages')
        control = vmm_link.Control(machine.control_path)
        control.ask(vmm_link.PAUSE)
        started = time.monotonic()
        control.ask(vmm_link.SEAL, fds=[self.state, self.pages])
        self.sealed_at = time.monotonic()
        self.seal_s = self.sealed_at - started
        if crashes:
            machine.process.kill()
        else:
            control.ask(vmm_link.QUIT)
        machine.read_until()
        machine.check(-signal.SIGKILL if crashes else 0)


class Template:
    def __init__(self, guest='fork', cpus=1, ram_mib=16, settled='note: is settled', change=None, mode=''):
        """change(machine) is asked what else the machine has, of the sealed one and of each fork; the guest is told its mode."""
        self.guest = guest
        self.mode = mode
        self.cpus = cpus
        self.ram_mib = ram_mib
        self.change = change
        self.folder = tempfile.mkdtemp(dir=os.environ['TMPDIR'])
        machine = self.make('template', os.memfd_create('overlay'))
        self.memory = os.dup(machine.json['memory_fd'])
        self.overlay = machine.overlay
        self.state = os.memfd_create('state')
        machine.start()
        machine.read_until(settled)
        self.control = vmm_link.Control(machine.control_path)
        self.control.ask(vmm_link.PAUSE)
        self.seal(machine)
        self.sealed = machine

    def seal(self, machine):
        self.control.ask(vmm_link.SEAL, fds=[self.state])
        self.sealed_at = time.monotonic()
        self.control.ask(vmm_link.QUIT)
        machine.read_until()
        machine.check(0)

    def make(self, name, overlay):
        machine = bare_machine.Machine(self.guest, f'{self.cpus} {self.mode}'.strip(), self.ram_mib, self.cpus,
                                       os.path.join(self.folder, name))
        machine.overlay = os.dup(overlay)
        machine.json['genid'] = make_genid()
        machine.json['disks'] = [{'slot': 'disk', 'serial': 'root', 'base_fd': machine.file('base', size=DISK_BYTES),
                                  'overlay_fd': machine.add(overlay)}]
        if self.change:
            self.change(machine)
        return machine

    def fork(self, name='fork', state=None, memory=None, overlay=None):
        """Another state or memory than the template's, if they are given, which stay the caller's; or another overlay."""
        machine = self.make(name, copy_file(self.overlay) if overlay is None else overlay)
        machine.fork_from(self.memory if memory is None else memory, self.state if state is None else state)
        return machine

    def resume(self, suspended, name='resumed'):
        """A machine that goes on from there; what is named in its description can be changed until it is started."""
        machine = self.fork(name, suspended.state, overlay=os.dup(suspended.overlay))
        machine.json.update(genid=suspended.genid, pages_fd=machine.open(f'/proc/self/fd/{suspended.pages}'))
        return machine

    def get_hashes(self):
        return [get_hash(fd) for fd in (self.memory, self.state, self.overlay)]
