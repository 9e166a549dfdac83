# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_fork_driver.py - carrel-vmm on /dev/kvm: a sealed machine goes on in others: vmm_fork_driver.py TEST
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../lib'))
import bare_machine  # noqa: E402
import vmm_fork  # noqa: E402
import vmm_link  # noqa: E402

FORKS = 20
TOGETHER = 6
KILLS = 40


def find_note(machine, what):
    found = [line for line in machine.lines if line.startswith(f'note: {what} ')]
    if len(found) != 1:
        bare_machine.fail(f'it did not say its {what} once: {found}')
    return found[0]


def expect_different(machines):
    """No two have the same generation or the same random numbers."""
    for what in ('genid', 'random'):
        said = [find_note(machine, what) for machine in machines]
        if len(set(said)) != len(said):
            bare_machine.fail(f'two forks have the same {what}: {said}')


def expect_untouched(template, hashes):
    if template.get_hashes() != hashes:
        bare_machine.fail('a fork has changed a file of its template')


def check_genid(machine):
    """Its guest has just the one that it was given."""
    words = [int.from_bytes(bytes.fromhex(machine.json['genid'])[i:i + 8], 'little') for i in (0, 8)]
    machine.has('note: genid ' + ' '.join(f'{word:#x}' for word in words))


def test_fork():
    """One after another, with one CPU and with two, and some at once: each goes on, and none is like another."""
    for cpus in (1, 2):
        template = vmm_fork.Template(cpus=cpus)
        hashes = template.get_hashes()
        machines = [template.fork(f'fork-{i}') for i in range(FORKS // 2)]
        for machine in machines:
            machine.run()
            check_genid(machine)
        together = [template.fork(f'together-{i}') for i in range(TOGETHER)]
        for machine in together:
            machine.start()
        for machine in together:
            machine.finish()
            check_genid(machine)
        expect_different(machines + together)
        expect_untouched(template, hashes)


def test_fork_again():
    """A machine that was sealed goes on itself, too; and what its fork becomes, a reset takes back to a boot."""
    template = vmm_fork.Template()
    machine = template.fork()
    machine.start()
    machine.read_until('ok: it is another generation')
    control = vmm_link.Control(machine.control_path)
    control.ask(vmm_link.RESET)
    machine.read_until('note: is settled')
    machine.stop()


def test_fork_killed():
    """Whenever a fork is killed: its template stays as it was, and the next one goes on."""
    template = vmm_fork.Template()
    hashes = template.get_hashes()
    chance = random.Random(4)
    for i in range(KILLS):
        machine = template.fork(f'killed-{i}')
        machine.start()
        time.sleep(chance.uniform(0, 0.04))  # where in its start it is killed, not what is waited for
        machine.process.kill()
        machine.process.wait()
    expect_untouched(template, hashes)
    template.fork().run()


bare_machine.run_test({name[5:]: function for name, function in globals().items() if name.startswith('test_')})
