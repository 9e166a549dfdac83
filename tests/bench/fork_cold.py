# SPDX-License-Identifier: GPL-3.0-or-later
# fork_cold.py - forks of the desktop over a memory file that is not in the page cache, as after the host's boot (fork_nested.py)
#
# Does it help to note which pages a fork touches in its first second, and to read these ahead for the next ones? First some forks
# are looked at for that, then one as a publish does it. Then others are made by turns, until their agents answer: the file is in the
# page cache as a whole; it is not; it is not, and the noted pages are asked for while the fork starts, all of which is in its time.
import contextlib
import time

import fork_native
import memory_file

TOUCHED_S = 1
FAULT_AROUND = '/sys/kernel/debug/fault_around_bytes'  # the kernel's mm/memory.c
say = fork_native.say


def write(path, text):
    with open(path, 'w', encoding='ascii') as file:
        file.write(text)


@contextlib.contextmanager
def one_page_a_fault():
    """Else a fault also maps what lies around its page, and nobody can tell what was touched."""
    with open(FAULT_AROUND, encoding='ascii') as file:
        before = file.read()
    write(FAULT_AROUND, str(memory_file.PAGE))
    try:
        yield
    finally:
        write(FAULT_AROUND, before)


def look_at_fork(template):
    """The pages that it has copied a second after its agent has answered, and those that it has only looked at."""
    fork, = fork_native.run_forks(template, ['fork'], 1)
    try:
        fork.answer()
        time.sleep(TOUCHED_S)
        return memory_file.list_touched(fork.pid, template.memory)
    finally:
        fork.end()


def measure_touched(template, runs, samples):
    memory_file.load(template.memory)
    with one_page_a_fault():
        for run in range(runs):
            say(f'fork {run + 1}: what it touches')
            copied, mapped = look_at_fork(template)
            samples.add(template, 'pages_touched_first_second', '', len(copied) + len(mapped))
            samples.add(template, 'pages_copied_first_second', '', len(copied))


def note_fork(template):
    """The pages that a publish notes (templates/verify.c, host/template_touched.c), before it joins them to ranges."""
    memory_file.drop(template.memory)
    template.random = True
    fork, = fork_native.run_forks(template, ['fork'], 1)
    template.random = False
    try:
        fork.answer()
        time.sleep(max(0, fork.running_at + TOUCHED_S - time.monotonic()))
        return memory_file.list_cached(template.memory)
    finally:
        fork.end()


def read_host_mib():
    """What this host has read from its disks up to now."""
    with open('/proc/vmstat', encoding='ascii') as file:
        return int(dict(line.split() for line in file)['pgpgin']) / 1024


def measure_side(name, template, samples):
    before = read_host_mib()
    fork, = fork_native.run_forks(template, ['fork'], 1)
    try:
        samples.add(template, f'{name}_ms', 'ms', fork.ms(fork.answer()))
        samples.add(template, f'{name}_read_mib', 'MiB', read_host_mib() - before)
    finally:
        fork.end()


def measure(template, runs, samples):
    measure_touched(template, runs, samples)
    noted = note_fork(template)
    ranges = memory_file.list_ranges(noted)
    say(f'{len(ranges)} ranges are read ahead, {sum(size for _, size in ranges) / 1e6:.1f} MB')
    samples.add(template, 'pages_noted', '', len(noted))
    sides = [('fork_to_agent_on_disk', memory_file.load, ()), ('fork_to_agent_cold', memory_file.drop, ()),
             ('fork_to_agent_cold_noted', memory_file.drop, ranges)]
    for run in range(runs):
        for name, prepare, its_ranges in fork_native.in_turn(sides, run):
            say(f'{name}, run {run + 1}')
            prepare(template.memory)
            template.ranges = its_ranges
            measure_side(name, template, samples)
