# SPDX-License-Identifier: GPL-3.0-or-later
# fork_soak.py - many forks of the desktop, none of which may be stuck (fork_nested.py soak)
#
# First one after another, each with an identity; whoever hangs ends it, for an answer has its time. Then ALIVE that stay: each has a
# user of its own, whose name is in its panel, and who types in a terminal what time it is there. When all are alive, and the last
# has been asked, each is asked once more. In the end the memory and the state that all of them were forked from are what they were;
# nested-fork.sh looks at the version's files.
import secrets
import statistics
import time

import desktop_clock
import fork_native
import proc_figures
import vmm_fork

ALIVE = 20
say = fork_native.say


def fork_in_a_row(template, count, settle):
    for n in range(count):
        fork, = fork_native.run_forks(template, ['fork'], 1)
        try:
            settle(fork)
        finally:
            fork.end()
        if (n + 1) % 10 == 0:
            say(f'{n + 1} forks of the desktop have got their identity')


def bring(template, alive, settle):
    """One more. The picture with its user's name, and the first reading of its clocks."""
    fork_native.start_forks(template, [f'fork-{len(alive)}'], 1, None, alive)
    fork = alive[-1]
    settle(fork)
    _, picture = fork.log_in('u' + secrets.token_hex(3))
    desktop_clock.open_terminal(fork)
    return picture, desktop_clock.read(fork)


def fork_that_stay(template, settle):
    started = time.monotonic()
    alive, pictures, readings = [], set(), {}
    try:
        while len(alive) < ALIVE:
            picture, reading = bring(template, alive, settle)
            pictures.add(picture)
            readings[alive[-1]] = [reading]
            left_mib = proc_figures.read('/proc/meminfo', 'MemAvailable') // 1024
            say(f'{len(alive)} are alive after {time.monotonic() - started:.0f} s; {left_mib} MiB are left')
            if len(pictures) < len(alive):
                raise SystemExit(f'{alive[-1].folder}: its picture is that of another session: the user is not in it')
        for fork in alive:
            readings[fork].append(desktop_clock.read(fork))
    finally:
        fork_native.end_all(alive)
    least, most = desktop_clock.expect_steady(readings)
    widths = [desktop_clock.get_width(reading) for of_fork in readings.values() for reading in of_fork]
    say(f'{ALIVE} were alive for {time.monotonic() - started:.0f} s, their users on their screens; by the clocks of all of them, read '
        f'twice, each within {statistics.median(widths):.1f} s (the median; {max(widths):.1f} s at most), they began with an uptime of '
        f'{least:.2f} to {most:.2f} s')


def get_hashes(template):
    return [vmm_fork.get_hash(fd) for fd in (template.memory, template.state)]


def soak(template, count, settle):
    """settle(fork): it answers, and gets its identity."""
    hashes = get_hashes(template)
    fork_in_a_row(template, count, settle)
    fork_that_stay(template, settle)
    if get_hashes(template) != hashes:
        raise SystemExit('the memory or the state that they were forked from has changed')
    say('the memory and the state that they were forked from are what they were')
