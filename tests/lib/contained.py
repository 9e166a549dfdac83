# SPDX-License-Identifier: GPL-3.0-or-later
# contained.py - starts a program in namespaces of its own, as carrel-launch does with carrel-vmm
#
#   process = subprocess.Popen(contained.command([VMM, '--description', '5']), ...)
#   contained.terminate(process)
#
# unshare(1) stays outside and passes on how the program ends, but no signals.
import os
import signal

NAMESPACES = ('pid', 'net', 'ipc', 'uts')
NO_MORE = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'


def command(program, without=None):
    """
    Of the same uid, with capabilities over these namespaces alone. Without one of NAMESPACES that stays the host's, without 'all'
    it is started as it is.
    """
    if without == 'all':
        return program
    namespaces = [f'--{name}' for name in NAMESPACES if name != without]
    return ['unshare', '--user', '--map-current-user', '--keep-caps', *namespaces, '--fork', '--kill-child', '--',
            'sh', '-c', NO_MORE, 'sh', *program]


def find_pid(process):
    """The program's, which unshare(1) may have started."""
    with open(f'/proc/{process.pid}/task/{process.pid}/children', encoding='ascii') as file:
        return int((file.read().split() or [process.pid])[0])


def terminate(process):
    os.kill(find_pid(process), signal.SIGTERM)
