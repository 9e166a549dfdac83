#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# proc_figures.py - what the kernel tells of a process and its memory: proc(5)
"""
proc_figures.py PID...: may the kernel merge memory of these processes with equal memory of others (KSM)? Exits 1 and says of which.
"""
import sys

MERGEABLE = 'mg'


def read(path, name):
    """The number behind that name; of memory it is in KiB."""
    with open(path, encoding='ascii') as file:
        for line in file:
            if line.startswith(name + ':'):
                return int(line.split()[1])
    raise SystemExit(f'{path} has no {name}')


def read_own_pss_kib(pid):
    """Without the template's pages, which lie in shared memory."""
    rollup = f'/proc/{pid}/smaps_rollup'
    return read(rollup, 'Pss') - read(rollup, 'Pss_Shmem')


def list_areas(pid):
    """The name of each area of its memory, which may be empty, and its flags."""
    name = ''
    with open(f'/proc/{pid}/smaps', encoding='utf-8', errors='replace') as file:
        for line in file:
            words = line.split(maxsplit=5)
            if words[0] == 'VmFlags:':
                yield name, line.split()[1:]
            elif not words[0].endswith(':'):
                name = words[5].rstrip('\n') if len(words) > 5 else ''


def is_offered_whole(pid):
    """
    All that it has and all that it will get, as PR_GET_MEMORY_MERGE says to the process itself; where the kernel tells others, and root
    asks. What it has got so far is marked all the same.
    """
    try:
        with open(f'/proc/{pid}/ksm_stat', encoding='ascii') as file:
            return any(line.split() == ['ksm_merge_any:', 'yes'] for line in file)
    except (FileNotFoundError, PermissionError):  # a kernel without KSM is the former
        return False


def find_mergeable(pid):
    """The names of what the kernel may merge."""
    areas = list(list_areas(pid))
    if not areas:
        raise SystemExit(f'process {pid} has no memory')
    return [name or 'without a name' for name, flags in areas if MERGEABLE in flags] + ['all of it'] * is_offered_whole(pid)


def main(*pids):
    """See above."""
    if not pids:
        sys.exit('there is no process')
    faults = {pid: areas for pid in pids if (areas := find_mergeable(pid))}
    for pid, areas in faults.items():
        print(f'process {pid} lets the kernel merge memory of it: {areas}')
    sys.exit(1 if faults else 0)


if __name__ == '__main__':
    main(*sys.argv[1:])
