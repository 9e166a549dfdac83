#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# fork_nested.py - forks of the Debian desktop by carrel-vmm and by QEMU, by turns, in the KVM host (nested-fork.sh starts it there)
"""
fork_nested.py RUNS FOLDER [WHAT]   FOLDER/carrel and FOLDER/qemu are what tests/lib/kvm_sealed.sh has made, FOLDER/work is ours

WHAT is "nested", or one of these, of carrel-vmm alone: "alive", what idle forks cost with up to 100 alive; "cold", forks over a
memory file that is not in the page cache (fork_cold.py); "soak", so many forks, one after another, and then 20 that stay alive
(fork_soak.py). Samples go to standard output as report.py wants them; what happens meanwhile goes to standard error.
"""
import json
import os
import secrets
import subprocess
import sys
import time

LIB = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib')
sys.path.insert(0, LIB)
import desktop_sides  # noqa: E402
import fork_cold  # noqa: E402
import fork_native  # noqa: E402
import fork_sides  # noqa: E402
import fork_soak  # noqa: E402
import kvm_counters  # noqa: E402
import spawned  # noqa: E402

ALIVE = {'carrel': (1, 10, 20), 'qemu': (1, 10)}  # 20 of QEMU do not fit into the host
MANY_ALIVE = (1, 10, 100)
RAM_MIB = (1024, 4096, 16384)
IDLE_S = 60
COUNTED_S = 30  # after these: then a fork has given its pages back, too (vmm/machine_idle.c)
COUNTED = {  # what a process has had or done up to now; {} is for how many are alive
    'idle_exits{}_per_second': ('1/s', lambda pid: kvm_counters.read_counter(pid, 'exits')),
    'idle_interrupts{}_per_second': ('1/s', lambda pid: kvm_counters.read_counter(pid, 'irq_injections')),
    'idle_cpu{}_ms_per_second': ('ms/s', fork_native.read_cpu_ms),
}
say = fork_native.say


def settle(fork):
    try:
        fork.answer()
        fork.identify()
    except TimeoutError:
        say(f'{fork.folder}, pid {fork.pid}, does not answer')
        subprocess.run(['bash', os.path.join(LIB, 'kvm_facts.sh'), str(fork.pid)], check=False)
        raise


def measure_fork(template, samples):
    """The picture of its session."""
    fork, = fork_native.run_forks(template, ['fork'], 1)
    try:
        samples.add(template, 'fork_to_running_ms', 'ms', fork.ms())
        samples.add(template, 'fork_to_agent_ms', 'ms', fork.ms(fork.answer()))
        fork.identify()
        shown_at, picture = fork.log_in('u' + secrets.token_hex(3))
        samples.add(template, 'fork_to_first_frame_ms', 'ms', fork.ms(shown_at))
    finally:
        fork.end()
    return picture


def measure_forks(templates, runs, samples):
    pictures = set()
    for run in range(runs):
        for template in fork_native.in_turn(templates, run):
            say(f'fork {run + 1} of {template.name}')
            picture = measure_fork(template, samples)
            if picture in pictures:
                raise SystemExit('the settled picture is the same as in another session: the user is not in it')
            pictures.add(picture)


def grow(template, forks, n):
    """Each gets its identity when it has begun, as hostd gives it."""
    say(f'{n - len(forks)} more forks of {template.name} get their identity and idle')
    while len(forks) < n:
        fork_native.start_forks(template, [f'fork-{len(forks)}'], 1, None, forks)
        settle(forks[-1])
    time.sleep(IDLE_S)


def read_counts(forks):
    return {figure: sum(read(fork.pid) for fork in forks) for figure, (_, read) in COUNTED.items()}


def count(template, forks, samples):
    """What each of them does a second, the mean of all."""
    alive = '' if len(forks) == 1 else f'_{len(forks)}_alive'
    started = time.monotonic()
    before = read_counts(forks)
    time.sleep(COUNTED_S)
    took = time.monotonic() - started
    after = read_counts(forks)
    for figure, (unit, _) in COUNTED.items():
        samples.add(template, figure.format(alive), unit, (after[figure] - before[figure]) / took / len(forks))


def measure_memory_of(template, alive, samples):
    fork_native.measure_memory_of(template, alive, grow, samples, count)


def measure_sizes(folder, runs, samples):
    """Of the native half's small guest: this host's KVM has nested paging."""
    for ram_mib in RAM_MIB:
        say(f'forks of a small guest with {ram_mib} MiB')
        template = fork_sides.CarrelTemplate(ram_mib, folder)
        fork_native.measure_time([(f'fork_to_running_{ram_mib}_mib_ms', template)], runs, samples)
        fork_native.measure_memslots(template, runs, f'memslots_{ram_mib}_mib_ms', samples)


def measure(templates, folder, runs, samples):
    measure_forks(templates, runs, samples)
    measure_sizes(folder, runs, samples)
    for template in templates:
        measure_memory_of(template, ALIVE[template.name], samples)


def main(runs, folder, what='nested'):
    samples = fork_native.Samples(os.fdopen(os.dup(1), 'w'))
    os.dup2(2, 1)  # what the machines say
    spawned.be_their_parent()
    with open(os.path.join(folder, 'carrel', 'manifest.json'), encoding='utf-8') as file:
        machine = json.load(file)['machine']

    def make(kind):
        return kind(machine, os.path.join(folder, kind.name), os.path.join(folder, 'work'))

    if what == 'soak':
        fork_soak.soak(make(desktop_sides.CarrelDesktops), int(runs), settle)
    elif what == 'alive':
        measure_memory_of(make(desktop_sides.CarrelDesktops), MANY_ALIVE, samples)
    elif what == 'cold':
        fork_cold.measure(make(desktop_sides.CarrelDesktopsOnDisk), int(runs), samples)
    else:
        templates = [make(desktop_sides.CarrelDesktops), make(desktop_sides.QemuDesktops)]
        measure(templates, os.path.join(folder, 'work'), int(runs), samples)


if __name__ == '__main__':
    main(*sys.argv[1:])
