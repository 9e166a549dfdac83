#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# typed_login.py - a command that asks for a password on a terminal of its own, and is ended by a signal there
"""A command that asks for a password on a terminal of its own, and is ended by a signal there

Waits until the command asks for a password and has switched the echo off, sends the signal (INT as Ctrl+C) and says
what became of it: "SIGINT echo" when the signal has ended it and the terminal shows again what is typed.

usage: typed_login.py SIGNAL COMMAND...
"""
import fcntl
import os
import select
import signal
import subprocess
import sys
import termios
import time

SECONDS = 30
CTRL_C = b"\x03"


def has_echo(terminal):
    """Does the terminal show what is typed?"""
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


def wait_for_question(master, terminal):
    """Until the command has asked and hides the answer; False when it does not."""
    end, said = time.monotonic() + SECONDS, b""
    while time.monotonic() < end:
        if select.select([master], [], [], 0.05)[0]:
            said += os.read(master, 4096)
        if b"Password: " in said and not has_echo(terminal):
            return True
    return False


def main():
    """The command, its terminal, the signal."""
    number = signal.Signals["SIG" + sys.argv[1]]
    master, terminal = os.openpty()
    # a shell's children ignore none of them
    for each in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(each, signal.SIG_DFL)
    with subprocess.Popen(sys.argv[2:], stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
                          preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) as command:
        if not wait_for_question(master, terminal):
            command.kill()
            sys.exit("no hidden question")
        if number == signal.SIGINT:
            os.write(master, CTRL_C)
        else:
            command.send_signal(number)
        try:
            code = command.wait(SECONDS)
        except subprocess.TimeoutExpired:
            command.kill()
            sys.exit("it does not end")
    print(signal.Signals(-code).name if code < 0 else code, "echo" if has_echo(terminal) else "no echo")


main()
