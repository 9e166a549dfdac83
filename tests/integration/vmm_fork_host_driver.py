# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_fork_host_driver.py - carrel-vmm on /dev/kvm: what forks share on their host, and what they do not: vmm_fork_host_driver.py TEST
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../lib'))
import bare_machine  # noqa: E402
import contained  # noqa: E402
import proc_figures  # noqa: E402
import vmm_fork  # noqa: E402
import vmm_link  # noqa: E402

GUEST_MEMORY = 'memfd:memory'  # tests/lib/vmm_start.py


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


bare_machine.run_test({name[5:]: function for name, function in globals().items() if name.startswith('test_')})
