# SPDX-License-Identifier: GPL-3.0-or-later
# build_namespace.py - run a program as carrel-launch runs a build: root of a user namespace and of nothing else
"""
build_namespace.py FIRST PROGRAM ARGS...: uids and gids FIRST to FIRST+65535 are 0 to 65535 inside; mounts, pids and IPC
are its own. Ends as the program ends; when this process dies, everything inside ends with it.
"""
import ctypes
import os
import signal
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
UIDS = 65536
UNSHARE = ["unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"]

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    """Raises when a call of libc has failed."""
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def enter(parent, told, tell, program):
    """In the child: a namespace, its maps by the parent, its root, the program."""
    check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
    if os.getppid() != parent:
        return
    check(libc.unshare(CLONE_NEWUSER), "unshare")
    os.write(tell, b"u")
    os.read(told, 1)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    # a change of uid takes it away
    check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
    os.execvp(UNSHARE[0], UNSHARE + program)


def main(first, *program):
    """Returns the program's exit status."""
    child_told, parent_tell = os.pipe()
    parent_told, child_tell = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(parent_tell)
            enter(parent, child_told, child_tell, list(program))
        except OSError as error:
            print(f"build_namespace: {error}", file=sys.stderr)
        os._exit(127)
    os.close(child_tell)
    if os.read(parent_told, 1) == b"u":
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as file:
                file.write(f"0 {first} {UIDS}\n")
        os.write(parent_tell, b"g")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
