#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_running.py - RUNS samples of exec_to_running_ms, a line each (bench-vmm-start.sh): vmm_running.py RUNS FOLDER
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import bare_machine  # noqa: E402
import vmm_start  # noqa: E402

RAM_MIB, CPUS = 1024, 2
# Namespaces are carrel-launch's work, or here unshare(1)'s: the clock starts after them
SAY_WHEN = '#!/bin/bash\necho "exec $EPOCHREALTIME"\nexec "$VMM" "$@"\n'


def measure(program):
    """A machine with all that a desktop has but sound, until its vCPUs are let go."""
    machine = bare_machine.Machine('hello', ram_mib=RAM_MIB, cpus=CPUS)
    machine.display(machine.folder)
    machine.ports(machine.folder)
    machine.net()
    machine.json['disks'] = [{'slot': 'disk', 'serial': 'root', 'base_fd': machine.file('base', size=1 << 20),
                              'overlay_fd': machine.memfd('overlay', 0)}]
    process = vmm_start.start(program, machine, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    started = None
    for line in process.stdout:
        now = time.time()
        if line.startswith('exec '):
            started = float(line.split()[1])
        elif 'starting -> running' in line:
            print(f'exec_to_running_ms\tms\t{(now - started) * 1000:.3f}')
            started = None
    if process.wait() != 0 or started is not None:
        raise SystemExit('carrel-vmm did not come to run its guest')


def main(runs, folder):
    program = os.path.join(folder, 'say-when')
    with open(program, 'w', encoding='ascii') as file:
        file.write(SAY_WHEN)
    os.chmod(program, 0o700)
    os.environ['VMM'] = bare_machine.VMM
    for _ in range(int(runs)):
        measure(program)


if __name__ == '__main__':
    main(*sys.argv[1:])
