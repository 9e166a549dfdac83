# SPDX-License-Identifier: GPL-3.0-or-later
# spawned.py - starts programs in namespaces of their own so that the moment of their start is known
#
#   spawned.be_their_parent()                       # once
#   pid = spawned.spawn([VMM, '--description', '5'], [5, 6], output, spawned.CONTAINED)
#
# contained.py does the same by unshare(1) and sh(1), which cost more time than what is to be measured, and stay. As root.
import ctypes
import os
import signal
import time

IPC, UTS, USER, PID, NET = (1 << bit for bit in (27, 26, 28, 29, 30))  # linux/sched.h
WITHOUT_NETWORK = NET | IPC            # host/launch_role.c: QEMU
CONTAINED = NET | IPC | USER | PID | UTS  # and carrel-vmm
PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE = 36, 4
FIRST_UID = 0x7000_0000
UNKNOWN_UID = 65534  # ours, as who is in a user namespace sees it: user_namespaces(7)
libc = ctypes.CDLL(None, use_errno=True)


def be_their_parent():
    """The process between us and the program ends: those left are ours to wait for."""
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), 'prctl')


def write(path, text):
    """As bytes: who is another user by now may not be able to load a codec from where Python lies."""
    with open(path, 'wb') as file:
        file.write(text.encode())


def enter(namespaces):
    """A user namespace is that of a uid of its own, as a desktop's: Linux counts locked memory, such as io_uring's, by uid."""
    uid = FIRST_UID + os.getpid()
    if namespaces & USER:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        libc.prctl(PR_SET_DUMPABLE, 1)  # else /proc/self is root's now
    if libc.unshare(namespaces) != 0:
        raise OSError(ctypes.get_errno(), 'unshare')
    if namespaces & USER:
        write('/proc/self/setgroups', 'deny')
        write('/proc/self/uid_map', f'0 {uid} 1')
        write('/proc/self/gid_map', f'0 {uid} 1')
        write('/proc/sys/user/max_user_namespaces', '0')


def start(command, fds, output, environment):
    """The C library's posix_spawn(3) has no memory to copy, and none to give up at exec, as a small launcher has not either."""
    for fd in fds:
        os.set_inheritable(fd, True)
    files = [(os.POSIX_SPAWN_OPEN, 0, '/dev/null', os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, output, 1),
             (os.POSIX_SPAWN_DUP2, output, 2)]
    os.write(output, f'start {time.monotonic():.6f}\n'.encode())
    return os.posix_spawn(command[0], command, environment, file_actions=files)


def spawn(command, fds, output, namespaces, environment=None):
    """
    Its pid. Its first lines of output are "enter TIME" and "start TIME", by CLOCK_MONOTONIC: right before its namespaces are made, and
    right before its process is.
    """
    hears, told = os.pipe()
    between = os.fork()
    if between == 0:
        try:
            os.write(output, f'enter {time.monotonic():.6f}\n'.encode())
            enter(namespaces)
            pid = start(command, fds, output, os.environ if environment is None else environment)
            os.write(told, str(pid).encode())
            os._exit(0)
        except OSError as error:
            os.write(2, f'{command[0]}: {error}\n'.encode())
        finally:
            os._exit(1)
    os.close(told)
    with os.fdopen(hears) as pipe:
        pid = pipe.read()
    os.waitpid(between, 0)
    if not pid:
        raise SystemExit(f'{command[0]} was not started')
    return int(pid)


def end(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
