#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# fork_native.py - forks by carrel-vmm and by QEMU, by turns, on this machine's own /dev/kvm (bench-fork.sh starts it)
"""
fork_native.py RUNS FOLDER [WHAT...]   WHAT: time, rate, memory, most, prefetch; all of them without

Samples go to standard output as report.py wants them; what happens meanwhile goes to standard error.
"""
import os
import selectors
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import fork_prefetch  # noqa: E402
import fork_sides  # noqa: E402
import proc_figures  # noqa: E402
import spawned  # noqa: E402

RAM_MIB = 1024
OTHER_RAM_MIB = (256, 4096, 16384)
AT_ONCE = (1, 2, 4)
FORKS_A_RATE = 20
RUNS_A_RATE = 4    # of RUNS, one measures the rate
ALIVE = {'carrel': (1, 10, 100), 'qemu': (1, 10, 40)}
ROUNDS_OF_MEMORY = 3
MOST = 5000        # alive, where memory does not end before
BATCH = 50
LEFT_KIB = 4 << 20  # of the machine's memory, for others
IDLE_S = 5
FORK_S = 60  # at most
SMAPS_OF_RAM = 'memfd:memory'


def say(text):
    print(text, file=sys.stderr, flush=True)


def end_all(forks):
    for fork in forks:
        fork.end()


def start_forks(template, names, at_once, environment, forks):
    """Appends them to "forks" as they are made."""
    busy = {}
    with selectors.DefaultSelector() as selector:
        while names or busy:
            while names and len(busy) < at_once:
                fork = template.fork(names.pop(0), environment)
                forks.append(fork)
                busy[fork] = fork.fds
                for fd in fork.fds:
                    selector.register(fd, selectors.EVENT_READ, fork)
            events = selector.select(FORK_S)
            if not events:
                raise SystemExit(f'{template.name}: no guest ran within {FORK_S} s')
            for key, _ in events:
                if key.data in busy:
                    key.data.handle(key.fd)
                    if key.data.running_at:
                        for fd in busy.pop(key.data):
                            selector.unregister(fd)


def run_forks(template, names, at_once, environment=None):
    """All of them are alive in the end, or none; "at_once" are on their way at a time."""
    forks = []
    try:
        start_forks(template, list(names), at_once, environment, forks)
    except BaseException:
        end_all(forks)
        raise
    return forks


class Samples:
    def __init__(self, file):
        self.file = file

    def add(self, template, figure, unit, value):
        mark = '\tqemu' if template.name == 'qemu' else ''
        print(f'{figure}\t{unit}\t{value:.3f}{mark}', file=self.file, flush=True)


def in_turn(templates, run):
    """Each is before the other as often as behind it."""
    return templates if run % 2 == 0 else templates[::-1]


def list_sides(figure, templates):
    return [(figure, template) for template in templates]


def measure_time(sides, runs, samples):
    for run in range(runs):
        for figure, template in in_turn(sides, run):
            forks = run_forks(template, ['fork'], 1)
            samples.add(template, figure, 'ms', forks[0].ms())
            end_all(forks)


def measure_namespaces(templates, runs, samples):
    for run in range(runs):
        for template in in_turn(templates, run):
            forks = run_forks(template, ['fork'], 1)
            samples.add(template, 'fork_namespaces_ms', 'ms', forks[0].namespaces_ms())
            end_all(forks)


def measure_rate(templates, runs, samples):
    for run in range(max(1, runs // RUNS_A_RATE)):
        for at_once in AT_ONCE:
            for template in in_turn(templates, run):
                started = time.monotonic()
                forks = run_forks(template, [f'fork-{i}' for i in range(FORKS_A_RATE)], at_once)
                took = max(fork.running_at for fork in forks) - started
                samples.add(template, f'forks_per_second_{at_once}', '1/s', len(forks) / took)
                end_all(forks)


def read_cpu_ms(pid):
    """That all its threads have had up to now, their guests' time among it: proc(5), utime and stime."""
    with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as file:
        fields = file.read().rpartition(')')[2].split()  # from the third on; the second may hold anything
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf('SC_CLK_TCK')


def read_private_kib(pid):
    """Without the guest's memory."""
    kib = 0
    is_ram = False
    with open(f'/proc/{pid}/smaps', encoding='utf-8') as file:
        for line in file:
            name, value, *_ = line.split() + ['']
            if '-' in name and not name.endswith(':'):
                is_ram = SMAPS_OF_RAM in line
            elif name in ('Private_Clean:', 'Private_Dirty:', 'Swap:') and not is_ram:
                kib += int(value)
    return kib


def measure_memory_of(template, alive, grow, samples, count=None):
    """
    With so many forks alive, one number after another; grow() appends new ones and returns when they idle. count(), where there is
    one, is given all of them when their memory is known.
    """
    forks = []
    available = {}
    try:
        for n in alive:
            grow(template, forks, n)
            available[n] = proc_figures.read('/proc/meminfo', 'MemAvailable')
            pss = [proc_figures.read_own_pss_kib(fork.pid) for fork in forks]
            name = f'idle_pss_{n}_alive_mib' if n in (1, 10) else 'idle_pss_mib'
            samples.add(template, name, 'MiB', sum(pss) / n / 1024)
            if n == alive[-1]:
                private = [read_private_kib(fork.pid) for fork in forks]
                samples.add(template, 'vmm_private_mib', 'MiB', sum(private) / n / 1024)
            if count:
                count(template, forks, samples)
        for fewer, more in zip(alive[1:], alive[2:]):
            samples.add(template, 'idle_host_mib', 'MiB', (available[fewer] - available[more]) / (more - fewer) / 1024)
    finally:
        end_all(forks)


def grow(template, forks, n):
    start_forks(template, [f'fork-{i}' for i in range(len(forks), n)], 2, None, forks)
    time.sleep(IDLE_S)


def measure_memory(templates, samples):
    for run in range(ROUNDS_OF_MEMORY):
        for template in in_turn(templates, run):
            say(f'memory of idle forks, {template.name}')
            measure_memory_of(template, ALIVE[template.name], grow, samples)


def measure_most(template, samples):
    """As many as fit, and how fast the last of them came."""
    say(f'as many forks of {template.name} as fit')
    forks = []
    try:
        while len(forks) < MOST and proc_figures.read('/proc/meminfo', 'MemAvailable') > LEFT_KIB:
            started = time.monotonic()
            new = run_forks(template, [f'fork-{len(forks) + i}' for i in range(BATCH)], max(AT_ONCE))
            forks += new
            took = max(fork.running_at for fork in new) - started
        samples.add(template, 'forks_alive_most', '', len(forks))
        samples.add(template, 'forks_per_second_most', '1/s', BATCH / took)
    finally:
        end_all(forks)


def list_steps(template):
    """(what, ms) as carrel-vmm says it of its own start; the last is up to the guest's word."""
    fork, = run_forks(template, ['fork'], 1, {**os.environ, 'CARREL_DEBUG': '1'})
    fork.end()
    before = fork.started_at
    steps = []
    for line in fork.lines:
        _, found, step = line.partition(' step at ')
        if found:
            at, what = step.split(': ')
            steps.append((what, (float(at) - before) * 1000))
            before = float(at)
    return steps + [('first instruction', (fork.running_at - before) * 1000)]


def measure_steps(template, runs, samples):
    for _ in range(runs):
        for what, ms in list_steps(template):
            samples.add(template, f'fork_step_{what.replace(" ", "_")}_ms', 'ms', ms)


def measure_memslots(template, runs, figure, samples):
    """KVM's own share of a fork, which without nested paging grows with RAM."""
    for _ in range(runs):
        samples.add(template, figure, 'ms', dict(list_steps(template))['memslots set'])


def make_templates(ram_mib, folder, kinds=(fork_sides.CarrelTemplate, fork_sides.QemuTemplate)):
    say(f'templates with {ram_mib} MiB')
    return [kind(ram_mib, folder) for kind in kinds]


def main(runs, folder, *wanted):
    runs = int(runs)
    samples = Samples(os.fdopen(os.dup(1), 'w'))
    os.dup2(2, 1)  # what the guests of the templates say
    spawned.be_their_parent()
    wanted = wanted or ('time', 'rate', 'memory', 'most', 'prefetch')
    templates = make_templates(RAM_MIB, folder)
    if 'time' in wanted:
        on_disk = zip(('fork_to_running_on_disk_ms', 'fork_to_running_cold_ms'), fork_sides.make_on_disk(templates[0]))
        measure_time([*list_sides('fork_to_running_ms', templates), *on_disk], runs, samples)
        measure_namespaces(templates, runs, samples)
        measure_steps(templates[0], runs, samples)
        for ram_mib in OTHER_RAM_MIB:
            others = make_templates(ram_mib, folder)
            measure_time(list_sides(f'fork_to_running_{ram_mib}_mib_ms', others), runs, samples)
            measure_memslots(others[0], runs, f'memslots_{ram_mib}_mib_ms', samples)
    if 'rate' in wanted:
        measure_rate(templates, runs, samples)
    if 'memory' in wanted:
        measure_memory(templates, samples)
    if 'most' in wanted:
        for template in templates:
            measure_most(template, samples)
    if 'prefetch' in wanted:
        fork_prefetch.measure(runs, lambda figure, ms: samples.add(templates[0], figure, 'ms', ms))


if __name__ == '__main__':
    main(*sys.argv[1:])
