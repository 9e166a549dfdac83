# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_idle_driver.py - carrel-vmm on /dev/kvm: what a fork that idles gives back to its template
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../lib'))
import bare_machine  # noqa: E402
import contained  # noqa: E402
import vmm_fork  # noqa: E402
import vmm_link  # noqa: E402

PAGE = 4096
DIRTY_AT, DIRTY_PAGES, SAME_PAGES = 0x900000, 1500, 500  # tests/guests/guest_fork.c: a third gets what was there before
AGAIN = "pages are its template's again"


def find_ram(pid):
    """Where the guest's memory is."""
    with open(f'/proc/{pid}/maps', encoding='utf-8') as file:
        for line in file:
            if 'memfd:memory' in line:
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


def main():
    """What was written with what was there is the template's again after a while, the rest stays, and the guest goes on."""
    template = vmm_fork.Template(cpus=2, mode='suspended')
    hashes = template.get_hashes()
    machine = template.fork()
    machine.start()
    machine.read_until('note: is dirty')
    pid = contained.find_pid(machine.process)
    expect_own(pid, DIRTY_PAGES)
    machine.read_until(AGAIN)
    count = int(re.search(f'([0-9]+) {AGAIN}', machine.log[-1])[1])
    if count < SAME_PAGES:
        bare_machine.fail(f'it gave back {count} pages only')
    expect_own(pid, DIRTY_PAGES - SAME_PAGES)
    control = vmm_link.Control(machine.control_path)
    control.ask(vmm_link.POWERDOWN)
    machine.read_until('note: is dirty')
    control.ask(vmm_link.POWERDOWN)
    machine.finish()
    vmm_fork.expect_untouched(template, hashes)


main()
