# SPDX-License-Identifier: GPL-3.0-or-later
# memory_file.py - a template's memory as a file on a disk, and what of it is in the page cache
#
#   fd = memory_file.copy(memfd, folder)    # where there is no such file yet
#   memory_file.load(fd)                    # all of it is in the page cache
#   memory_file.drop(fd)                    # nothing of it is
import ctypes
import mmap
import os
import subprocess
import tempfile
import time

PAGE = mmap.PAGESIZE
MAP_NORESERVE = 0x4000  # asm-generic/mman.h
DROP_S, DROP_AGAIN_S = 10, 0.1
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


def count_cached(fd):
    """Pages of the file that are in the page cache."""
    size = os.fstat(fd).st_size
    is_cached = (ctypes.c_ubyte * (size // PAGE))()
    with mmap.mmap(fd, size, mmap.MAP_PRIVATE | MAP_NORESERVE) as memory:
        begin = ctypes.c_char.from_buffer(memory)
        failed = libc.mincore(ctypes.byref(begin), ctypes.c_size_t(size), is_cached)
        del begin  # else the mapping would have to stay
    if failed:
        raise OSError(ctypes.get_errno(), 'mincore')
    return bytes(is_cached).count(1)


def drop(fd):
    """Nobody may have it mapped. A process that has just ended may keep pages for a moment."""
    end = time.monotonic() + DROP_S
    while True:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        left = count_cached(fd)
        if not left:
            return
        if time.monotonic() > end:
            raise SystemExit(f'{left} pages of a memory file stay in the page cache: is it on a disk?')
        time.sleep(DROP_AGAIN_S)
