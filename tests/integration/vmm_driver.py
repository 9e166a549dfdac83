# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_driver.py - carrel-vmm on /dev/kvm with guests that are small enough where KVM emulates: vmm_driver.py TEST
import os
import re
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


bare_machine.run_test({
    'hello': test_hello,
    'pci': test_pci,
    'platform': test_platform,
    'reset': test_reset,
    'smp': test_smp,
})
