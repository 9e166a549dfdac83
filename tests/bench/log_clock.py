# SPDX-License-Identifier: GPL-3.0-or-later
#
# log_clock.py - how long a command's consequences take to come: log_clock.py LOG PATTERN COUNT SECONDS COMMAND...
"""Prints the milliseconds from the start of COMMAND until COUNT new lines of LOG match PATTERN; fails after SECONDS."""
import re
import subprocess
import sys
import time

LOOK_S = 0.002


def main(path, pattern, count, seconds, *command):
    wanted = re.compile(pattern.encode())
    with open(path, "rb") as log:
        log.seek(0, 2)
        started = time.monotonic()
        end = started + float(seconds)
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            found, rest = 0, b""
            while found < int(count):
                lines = (rest + log.read()).split(b"\n")
                rest = lines.pop()
                found += sum(1 for line in lines if wanted.search(line))
                if time.monotonic() > end:
                    sys.exit(f"only {found} of {count} lines '{pattern}' after {seconds} s")
                if not lines:
                    time.sleep(LOOK_S)
            took = time.monotonic() - started
        if process.returncode != 0:
            sys.exit(f"'{' '.join(command)}' ended with {process.returncode}")
    print(f"{took * 1000:.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
