# SPDX-License-Identifier: GPL-3.0-or-later
# kill_when.py - sends a process a signal at the moment when its work has come so far
"""
kill_when.py PID SIGNAL CONDITION...: looks a thousand times a second until all conditions hold: "+GLOB" there is such a
path, "-GLOB" there is none, "UID:GLOB|GLOB..." there is one that belongs to this uid. Fails when the process has ended before.
"""
import glob
import os
import signal
import sys
import time

TIMEOUT_S = 240


def holds(condition):
    """Does one of the conditions hold?"""
    if condition[0] in "+-":
        return bool(glob.glob(condition[1:])) == (condition[0] == "+")
    uid, patterns = condition.split(":", 1)
    try:
        return any(os.lstat(path).st_uid == int(uid) for pattern in patterns.split("|") for path in glob.glob(pattern))
    except FileNotFoundError:
        return False


def main(pid, name, *conditions):
    """0 when the signal was sent."""
    end = time.monotonic() + TIMEOUT_S
    handle = os.pidfd_open(int(pid))
    while not all(holds(condition) for condition in conditions):
        if time.monotonic() > end:
            print(f"not all came true in {TIMEOUT_S} s: {conditions}")
            return 1
        time.sleep(0.001)
    signal.pidfd_send_signal(handle, getattr(signal, "SIG" + name))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except ProcessLookupError:
        print("the process has ended already")
        sys.exit(1)
