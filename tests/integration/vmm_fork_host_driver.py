# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_fork_host_driver.py - carrel-vmm on /dev/kvm: what forks share on their host, and what they do not: vmm_fork_host_driver.py TEST
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../lib'))
import bare_machine  # noqa: E402
import contained  # noqa: E402
import proc_figures  # noqa: E402
import vmm_fork  # noqa: E402
import vmm_link  # noqa: E402

GUEST_MEMORY = 'memfd:memory'  # tests/lib/vmm_start.py

# tests/guests/guest_fork.c: what it does not read of its disk's base, for it is in its overlay
SECTOR_BYTES = 512
WRITTEN_BYTES = 64 << 10
STRAY_BYTES = 64 << 10  # that its process may read besides: of its program, say, when memory is short


def start(template, name='fork'):
    """Until its guest has found all as it should be, and rests; and the process."""
    machine = template.fork(name)
    machine.start()
    machine.read_until('note: rests')
    return machine, contained.find_pid(machine.process)


def finish(machine):
    vmm_link.Control(machine.control_path).ask(vmm_link.POWERDOWN)
    machine.finish()


def test_unmerged():
    """The kernel may not merge a page of a fork with an equal one of another machine, be it of the same template."""
    template = vmm_fork.Template(mode='rests')
    machine, pid = start(template)
    if not any(GUEST_MEMORY in name for name, _ in proc_figures.list_areas(pid)):
        bare_machine.fail("the guest's memory is not among that of the process")
    mergeable = proc_figures.find_mergeable(pid)
    if mergeable:
        bare_machine.fail(f'the kernel may merge memory of a fork: {mergeable}')
    finish(machine)


def make_base():
    """A file on disk. Random, so that no file system keeps it in less; each sector begins with its number."""
    path = os.path.join(os.environ['TMPDIR'], 'base')
    with open(path, 'wb') as file:
        for sector in range(vmm_fork.DISK_BYTES // SECTOR_BYTES):
            number = struct.pack('<Q', sector)
            file.write(number + os.urandom(SECTOR_BYTES - len(number)))
        file.flush()
        os.fsync(file.fileno())  # what is not on the disk yet cannot be dropped
    return path


def drop_from_cache(path):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def count_read_bytes(template, name):
    """What a fork reads from a disk, all its threads and the kernel's for it: proc(5), /proc/PID/io."""
    machine, pid = start(template, name)
    count = proc_figures.read(f'/proc/{pid}/io', 'read_bytes')
    machine.has("ok: the disk's base can be read")
    finish(machine)
    return count


def test_base():
    """What one fork has read of its template's disk the next one has without reading it: one page cache is there for all."""
    base = make_base()

    def use_base(machine):
        machine.json['disks'][0]['base_fd'] = machine.open(base)

    template = vmm_fork.Template(mode='reads rests', change=use_base)
    hashes = template.get_hashes()
    drop_from_cache(base)
    wanted = vmm_fork.DISK_BYTES - WRITTEN_BYTES
    first, second = (count_read_bytes(template, name) for name in ('first', 'second'))
    if first < wanted:
        bare_machine.fail(f'the first fork read {first} bytes from the disk, not {wanted}: what the second reads shows nothing')
    if second > STRAY_BYTES:
        bare_machine.fail(f'the second fork read {second} bytes from the disk again, the first {first}')
    vmm_fork.expect_untouched(template, hashes)


bare_machine.run_test({name[5:]: function for name, function in globals().items() if name.startswith('test_')})
