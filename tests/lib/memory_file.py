# SPDX-License-Identifier: GPL-3.0-or-later
# memory_file.py - a template's memory as a file on a disk: what of it is in the page cache, and what a fork has touched
#
#   fd = memory_file.copy(memfd, folder)    # where there is no such file yet
#   memory_file.load(fd)                    # all of it is in the page cache
#   memory_file.drop(fd)                    # nothing of it is
#   memory_file.read_ahead(fd, memory_file.list_ranges(memory_file.list_cached(fd)))
#   copied, mapped = memory_file.list_touched(pid, fd)    # by the fork of that process
import array
import ctypes
import mmap
import os
import subprocess
import tempfile
import time

PAGE = mmap.PAGESIZE
MAP_NORESERVE = 0x4000  # asm-generic/mman.h
DROP_S, DROP_AGAIN_S = 10, 0.1
IS_FILES, IS_THERE = 1 << 61, 3 << 62  # Documentation/admin-guide/mm/pagemap.rst; what is in swap is there
GAP_PAGES = 16    # page and page that are so far apart are read with what is between, as host/template_touched.c has it
RANGE_PAGES = 32  # of a range that is longer than read_ahead_kb Linux may read the beginning only
libc = ctypes.CDLL(None, use_errno=True)


def copy(fd, folder):
    """A file of the same bytes and holes on the folder's disk; it has no name."""
    with tempfile.TemporaryFile(dir=folder) as file:
        subprocess.run(['cp', '--sparse=always', f'/proc/self/fd/{fd}', f'/proc/self/fd/{file.fileno()}'],
                       pass_fds=[fd, file.fileno()], check=True)
        os.fsync(file.fileno())  # what is not on the disk yet cannot be dropped
        return os.dup(file.fileno())


def load(fd):
    """All its data; its holes are read from no disk."""
    subprocess.run(['cp', f'/proc/self/fd/{fd}', '/dev/null'], pass_fds=[fd], check=True)


def list_cached(fd):
    """Numbers of the file's pages that are in the page cache."""
    size = os.fstat(fd).st_size
    is_cached = (ctypes.c_ubyte * (size // PAGE))()
    with mmap.mmap(fd, size, mmap.MAP_PRIVATE | MAP_NORESERVE) as memory:
        begin = ctypes.c_char.from_buffer(memory)
        failed = libc.mincore(ctypes.byref(begin), ctypes.c_size_t(size), is_cached)
        del begin  # else the mapping would have to stay
    if failed:
        raise OSError(ctypes.get_errno(), 'mincore')
    return [page for page, cached in enumerate(bytes(is_cached)) if cached & 1]


def drop(fd):
    """Nobody may have it mapped. A process that has just ended may keep pages for a moment."""
    end = time.monotonic() + DROP_S
    while True:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        left = list_cached(fd)
        if not left:
            return
        if time.monotonic() > end:
            raise SystemExit(f'{len(left)} pages of a memory file stay in the page cache: is it on a disk?')
        time.sleep(DROP_AGAIN_S)


def list_mappings(pid, fd):
    """(address, first page of the file, pages) of each place where the process has mapped it."""
    status = os.fstat(fd)
    with open(f'/proc/{pid}/maps', encoding='utf-8', errors='replace') as file:
        for line in file:
            area, _, offset, device, inode, *_ = line.split()
            major, minor = (int(part, 16) for part in device.split(':'))
            if (os.makedev(major, minor), int(inode)) == (status.st_dev, status.st_ino):
                begin, end = (int(address, 16) for address in area.split('-'))
                yield begin, int(offset, 16) // PAGE, (end - begin) // PAGE


def list_touched(pid, fd):
    """Numbers of the file's pages: those that the process has copied, and those that it has only looked at."""
    copied, mapped = [], []
    with open(f'/proc/{pid}/pagemap', 'rb') as file:
        for address, first, count in list_mappings(pid, fd):
            file.seek(address // PAGE * 8)
            for page, entry in enumerate(array.array('Q', file.read(count * 8)), first):
                if entry & IS_THERE:
                    (mapped if entry & IS_FILES else copied).append(page)
    if not copied:
        raise SystemExit(f'process {pid} has written to no page of its memory: is it a fork that runs?')
    return copied, mapped


def list_ranges(pages):
    """(offset, bytes) of ranges that hold these pages, which are in their order."""
    ranges = []
    for page in pages:
        if ranges and page - ranges[-1][1] <= GAP_PAGES and page - ranges[-1][0] < RANGE_PAGES:
            ranges[-1][1] = page
        else:
            ranges.append([page, page])
    return [(first * PAGE, (last - first + 1) * PAGE) for first, last in ranges]


def read_ahead(fd, ranges):
    """Begins to read them; waits only where the disk's queue is full."""
    for offset, size in ranges:
        os.posix_fadvise(fd, offset, size, os.POSIX_FADV_WILLNEED)
