# SPDX-License-Identifier: GPL-3.0-or-later
# display_contained_driver.py - starts carrel-display without one of its namespaces, or without all
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../lib'))
import contained  # noqa: E402

DISPLAY = [os.path.join(os.environ['CARREL_BUILD_DIR'], 'display', 'carrel-display'), '--desktop', 'd-mc6ze4jdzp4wxg2cgazp']
WATCH_FD = 3  # base/proto_display.h
CASES = (
    ('pid', 'is not tight: the process could see other processes; not showing it unprotected'),
    ('net', "is not tight: the process could reach this host's services; not showing it unprotected"),
    ('all', 'not showing it unprotected'),
)

listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listener.bind(os.path.join(os.environ['TMPDIR'], 'watch'))
listener.listen()
if listener.fileno() != WATCH_FD:
    os.dup2(listener.fileno(), WATCH_FD)
for without, words in CASES:
    result = subprocess.run(contained.command(DISPLAY, without), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, errors='replace', timeout=60, pass_fds=[WATCH_FD])
    lines = result.stdout.splitlines()
    print(f'without {without}: {lines}')
    if result.returncode == 0 or len(lines) != 1 or not lines[0].endswith(words):
        sys.exit(f"FAIL: it ended with {result.returncode}, not with one line that ends with '{words}'")
