# SPDX-License-Identifier: GPL-3.0-or-later
# touched_note.py - the note of what forks touch first, beside a version's memory (host/template_touched.h)
#
# touched_note.py FOLDER: prints how many pages the memory there has, how many are in the page cache, how many the note names, and how many
# of those are in the page cache.
import ctypes
import mmap
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)


def read_note(path):
    """The pages that it names."""
    with open(path, encoding='ascii') as file:
        head, *lines = file.read().splitlines()
    if head != 'touched 1':
        raise SystemExit(f"'{path}' begins with {head!r}")
    ranges = [[int(word) for word in line.split()] for line in lines]
    return {page for first, count in ranges for page in range(first, first + count)}


def read_cached(path):
    """For each page of the file a byte, odd where it is in the page cache (mincore(2))."""
    with open(path, 'rb') as file:
        size = os.fstat(file.fileno()).st_size
        cached = (ctypes.c_ubyte * (size // mmap.PAGESIZE))()
        with mmap.mmap(file.fileno(), size, mmap.MAP_PRIVATE) as memory:
            begin = ctypes.c_char.from_buffer(memory)
            failed = libc.mincore(ctypes.byref(begin), ctypes.c_size_t(size), cached)
            del begin  # else the mapping would have to stay
    if failed:
        raise OSError(ctypes.get_errno(), 'mincore')
    return bytes(cached)


def main(folder):
    noted = read_note(os.path.join(folder, 'touched'))
    cached = read_cached(os.path.join(folder, 'memory'))
    print(len(cached), sum(page & 1 for page in cached), len(noted), sum(cached[page] & 1 for page in noted))


main(sys.argv[1])
