# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_idle_driver.py - carrel-vmm on /dev/kvm: what a fork that idles gives back to its template
import ctypes
import errno
import mmap
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../lib'))
import bare_machine  # noqa: E402
import contained  # noqa: E402
import vmm_fork  # noqa: E402
import vmm_link  # noqa: E402

PAGE = 4096
DIRTY_AT, DIRTY_PAGES, SAME_PAGES = 0x900000, 1500, 500  # tests/guests/guest_fork.c: a third gets what was there before
MAP_LOCKED, MAP_FAILED = 0x2000, ctypes.c_void_p(-1).value  # mmap(2)
MEMORY_NAME = 'memory'  # tests/lib/vmm_start.py
AGAIN = "pages are its template's again"
NEVER = 'pages cannot be given back to its template any more: Operation not supported'


def find_ram(pid):
    """Where the guest's memory is."""
    with open(f'/proc/{pid}/maps', encoding='utf-8') as file:
        for line in file:
            if line.endswith((MEMORY_NAME + '\n', MEMORY_NAME + ' (deleted)\n')):
                return int(line.split('-')[0], 16)
    return bare_machine.fail('it has no memory')


def count_own(pid, address, pages):
    """Those that are there and are no file's: Documentation/admin-guide/mm/pagemap.rst."""
    with open(f'/proc/{pid}/pagemap', 'rb') as file:
        file.seek(address // PAGE * 8)
        entries = file.read(pages * 8)
    bits = [int.from_bytes(entries[i:i + 8], 'little') >> 61 for i in range(0, len(entries), 8)]
    return sum(bit & 4 != 0 and bit & 1 == 0 for bit in bits)


def expect_own(pid, wanted):
    own = count_own(pid, find_ram(pid) + DIRTY_AT, DIRTY_PAGES)
    if own != wanted:
        bare_machine.fail(f'{own} of the pages that were written to are its own, not {wanted}')


def copy_to_disk(fd):
    """As a template's memory is by default; TMPDIR may be in memory, too."""
    path = os.path.join(os.environ['TMPDIR'], MEMORY_NAME)
    with open(f'/proc/self/fd/{fd}', 'rb') as source, open(path, 'wb') as target:
        shutil.copyfileobj(source, target)
    return os.open(path, os.O_RDONLY)


def keep_in_cache(fd):
    """What the page cache has lost is not given back: so none of it is lost until we end."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    size = ctypes.c_size_t(os.fstat(fd).st_size)
    if libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED | MAP_LOCKED, fd, ctypes.c_long(0)) == MAP_FAILED:
        bare_machine.fail(f'a file cannot be locked in memory: {os.strerror(ctypes.get_errno())}')


def is_readable_at_once(fd):
    """A file in memory is, or one whose file system has a way to read only what is there: preadv2(2), RWF_NOWAIT."""
    kind = subprocess.run(['stat', '-L', '-f', '-c', '%T', f'/proc/self/fd/{fd}'], pass_fds=[fd], check=True,
                          capture_output=True, text=True).stdout.strip()
    if kind == 'tmpfs':
        return True
    try:
        os.preadv(fd, [bytearray(PAGE)], 0, os.RWF_NOWAIT)
    except OSError as error:
        return error.errno != errno.EOPNOTSUPP
    return True


def start(template, name, memory):
    machine = template.fork(name, memory=memory)
    machine.start()
    machine.read_until('note: is dirty')
    expect_own(contained.find_pid(machine.process), DIRTY_PAGES)
    return machine


def expect_given_back(machine):
    machine.read_until(AGAIN)
    count = int(re.search(f'([0-9]+) {AGAIN}', machine.log[-1])[1])
    if count < SAME_PAGES:
        bare_machine.fail(f'it gave back {count} pages only')
    expect_own(contained.find_pid(machine.process), DIRTY_PAGES - SAME_PAGES)


def finish(machine):
    control = vmm_link.Control(machine.control_path)
    control.ask(vmm_link.POWERDOWN)
    machine.read_until('note: is dirty')
    control.ask(vmm_link.POWERDOWN)
    machine.finish()


def main():
    """
    What was written with what was there is the template's again after a while, the rest stays, and the guest goes on: over a file
    in memory and over one on disk.
    """
    template = vmm_fork.Template(cpus=2, mode='suspended')
    hashes = template.get_hashes()
    on_disk = copy_to_disk(template.memory)
    keep_in_cache(on_disk)
    machines = [start(template, 'in-memory', template.memory), start(template, 'on-disk', on_disk)]
    expect_given_back(machines[0])
    if is_readable_at_once(on_disk):
        expect_given_back(machines[1])
    else:
        machines[1].read_until(NEVER)
    for machine in machines:
        finish(machine)
    vmm_fork.expect_untouched(template, hashes)
    if vmm_fork.get_hash(on_disk) != hashes[0]:
        bare_machine.fail('a fork has changed a file on disk')


main()
