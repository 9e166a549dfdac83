# SPDX-License-Identifier: GPL-3.0-or-later
# touched_note.py - the note of what forks touch first, beside a version's memory (host/template_touched.h)
#
# touched_note.py FOLDER: prints how many pages the memory there has, how many are in the page cache, how many the note names, and how many
# of those are in the page cache.
import os
import sys

import memory_file


def read_note(path):
    """The pages that it names."""
    with open(path, encoding='ascii') as file:
        head, *lines = file.read().splitlines()
    if head != 'touched 1':
        raise SystemExit(f"'{path}' begins with {head!r}")
    ranges = [[int(word) for word in line.split()] for line in lines]
    return {page for first, count in ranges for page in range(first, first + count)}


def main(folder):
    noted = read_note(os.path.join(folder, 'touched'))
    memory = os.open(os.path.join(folder, 'memory'), os.O_RDONLY)
    cached = set(memory_file.list_cached(memory))
    print(os.fstat(memory).st_size // memory_file.PAGE, len(cached), len(noted), len(noted & cached))


main(sys.argv[1])
