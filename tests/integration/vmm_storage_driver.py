# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_storage_driver.py - carrel-vmm on a host whose disk is full or fails: vmm_storage_driver.py TEST
#
# "full" mounts, so it wants a mount namespace of its own (test-vmm-disk-full.sh).
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../lib'))
import bare_machine  # noqa: E402
import vmm_link  # noqa: E402

DISK_BYTES = bare_machine.MIB
NO_ROOM = 'running -> paused: no room on the host for a disk request'
NO_SPACE = 2  # enum vmm_pause_reason


def test_full():
    """The machine stands while there is no room, says so, and loses nothing."""
    folder = os.path.join(os.environ['TMPDIR'], 'full')
    os.mkdir(folder)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder], check=True)
    machine = bare_machine.Machine('storage', command_line='full')
    overlay = machine.open(os.path.join(folder, 'overlay'), os.O_RDWR | os.O_CREAT)
    machine.json['disks'] = [{'slot': 'disk', 'serial': 'root', 'base_fd': machine.file('base', size=DISK_BYTES),
                              'overlay_fd': overlay}]
    machine.start()
    machine.read_until(NO_ROOM)
    control = vmm_link.Control(machine.control_path)
    status = control.status()
    if (status['state'], status['pause_reason']) != (vmm_link.STATE_PAUSED, NO_SPACE):
        bare_machine.fail(f'it does not say that it stands for lack of room: {status}')
    subprocess.run(['mount', '-o', 'remount,size=4m', folder], check=True)
    control.wait_for_event(vmm_link.EVENT_STATE, vmm_link.STATE_RUNNING)
    machine.finish()
    machine.has('ok: everything is there')
    if sum(NO_ROOM in line for line in machine.log) != 1:
        bare_machine.fail('the lack of room is not told once')


def test_broken():
    """A file that has become too short: the guest hears of each failure, the log of one."""
    machine = bare_machine.Machine('storage', command_line='broken')
    base = machine.memfd('base', DISK_BYTES)
    truncated = os.dup(base)
    machine.json['disks'] = [{'slot': 'disk', 'serial': 'root',
                              'base_fd': machine.open(f'/proc/self/fd/{base}', os.O_RDONLY)}]
    machine.start()
    machine.read_until('note: reads')
    os.ftruncate(truncated, DISK_BYTES // 2)
    machine.finish()
    told = [line for line in machine.log if "disk 'root':" in line]
    if len(told) != 1 or 'Input/output error' not in told[0]:
        bare_machine.fail(f'the failure is not told once: {told}')


bare_machine.run_test({'broken': test_broken, 'full': test_full})
