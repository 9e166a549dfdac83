# SPDX-License-Identifier: GPL-3.0-or-later
# fork_prefetch.py - would a fork gain if the pages that it is going to write were copied beforehand? (fork_native.py)
#
# What a fork's memory is: a private mapping of a file in memory. Its pages are written one by one, as a guest does, or first asked
# for with MADV_POPULATE_WRITE and then written, in one run by turns. Nothing of carrel-vmm is in it: this is the most
# that it could gain.
import mmap
import os
import random
import time

PAGE = mmap.PAGESIZE
RAM = 1 << 30
PAGES = 480  # 2 MB: more than a Debian desktop writes until its agent answers
RUNS_OF = (1, 4, 16)
MADV_POPULATE_WRITE, MAP_NORESERVE = 23, 0x4000  # linux/mman.h, asm-generic/mman.h; not in Debian's Python


def make_template():
    fd = os.memfd_create('template')
    os.ftruncate(fd, RAM)
    with mmap.mmap(fd, RAM) as memory:
        for at in range(0, RAM, PAGE):
            memory[at] = 1
    return fd


def choose(run):
    """Where runs of so many pages begin; none overlap."""
    return [run * PAGE * at for at in random.sample(range(RAM // PAGE // run), PAGES // run)]


def write(memory, starts, run):
    for start in starts:
        for at in range(start, start + run * PAGE, PAGE):
            memory[at] = 2


def take(template, starts, run, prefetch):
    """Milliseconds."""
    with mmap.mmap(template, RAM, mmap.MAP_PRIVATE | MAP_NORESERVE) as memory:
        started = time.monotonic()
        if prefetch:
            for start in starts:
                memory.madvise(MADV_POPULATE_WRITE, start, run * PAGE)
        write(memory, starts, run)
        return (time.monotonic() - started) * 1000


def measure(runs, add):
    """add(figure, milliseconds)"""
    template = make_template()
    for _ in range(runs):
        for run in RUNS_OF:
            starts = choose(run)
            add(f'pages_faulted_{run}_ms', take(template, starts, run, False))
            add(f'pages_prefetched_{run}_ms', take(template, starts, run, True))
    os.close(template)
