# SPDX-License-Identifier: GPL-3.0-or-later
# desktop_clock.py - what a desktop's clocks say: its user opens a terminal and types, and the agent has the note (fork_soak.py)
#
#   fork.log_in('ada')                                  # desktop_sides.py; a CarrelDesktop, for its screen takes keys
#   desktop_clock.open_terminal(fork)
#   readings = [desktop_clock.read(fork), ...]
#   desktop_clock.expect_steady({fork: readings, ...})
#
# A clock is read at a time of the host's that is known to lie between two, WIDEST_S apart at most: before Enter, and when the note is
# there. Where that took longer it is read again. A fork's CLOCK_MONOTONIC goes on from where it was sealed, as everybody's does, so
# what it says less the time since the fork began is the same number for all forks of a template, whenever they began and however
# often they are asked: a clock that stands for a while, runs at another rate or makes up for the time since the seal has another one.
# It is read as /proc/uptime, which counts the same in a guest that does not sleep. The wall clock is the host's.
import collections
import secrets
import struct
import time

import agent_notes
import desktop_sides
import vmm_link

NOTE = 'clock'
LINE = f'read u </proc/uptime;echo %s $EPOCHREALTIME $u>/run/carrel/notes/{NOTE}'
READY = 2         # the number of that request
OPEN_S = 240      # at most, to a terminal
READ_S = 600      # at most, to a note that came in time
WIDEST_S = 5      # a clock that stands for less is not seen
LINE_S = 20       # then it is typed again: what is typed before the terminal has the keyboard is lost
KEY_PAUSE_S = 0.06
LOOK_S = 0.2
BUTTON_X = 20     # tint2rc: the panel's first button; its middle
MIDDLE_WIDTH, MIDDLE_HEIGHT = 128, 64
UPTIME_S = 0.02   # it has hundredths
SET_LATE_S = 30   # at most; the wall clock is what the host's was when the order to set it was sent
SET_EARLY_S = 1

# XT set 1, as base/proto_source.h has keys
SHIFT = 42
ROWS = {2: '1234567890-=', 16: 'qwertyuiop[]\n', 30: "asdfghjkl;'`", 44: 'zxcvbnm,./', 57: ' '}
KEYS = {key: first + i for first, row in ROWS.items() for i, key in enumerate(row)}
SHIFTED = dict(zip('!@#$%^&*()_+{}:"~<>?', "1234567890-=[];'`,./"))

# "since" and "until" are (monotonic, wall) times of the host
Reading = collections.namedtuple('Reading', 'wall_s uptime_s since until')


def watch(fork, seconds):
    """Its screen is told what carrel-vmm says."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        fork.screen.step(LOOK_S)


def press(fork, key, down):
    fork.screen.send(vmm_link.KEY, struct.pack('=II', key, down))


def write(fork, text):
    for key in text:
        plain = SHIFTED.get(key, key.lower())
        with_shift = plain != key
        if with_shift:
            press(fork, SHIFT, True)
        press(fork, KEYS[plain], True)
        press(fork, KEYS[plain], False)
        if with_shift:
            press(fork, SHIFT, False)
        time.sleep(KEY_PAUSE_S)


def click(fork, x, y):
    for buttons in (0, 1, 0):
        fork.screen.send(vmm_link.POINTER, struct.pack('=IIII', 0, x, y, buttons))
        watch(fork, LOOK_S)


def look(screen):
    """The middle of the screen, where Openbox places a window that is alone."""
    return desktop_sides.pick(screen, (screen.width - MIDDLE_WIDTH) // 2, (screen.height - MIDDLE_HEIGHT) // 2,
                              MIDDLE_WIDTH, MIDDLE_HEIGHT)


def open_terminal(fork):
    before = look(fork.screen)
    click(fork, BUTTON_X, fork.screen.height - desktop_sides.PANEL_HEIGHT // 2)
    end = time.monotonic() + OPEN_S
    while look(fork.screen) == before:
        if time.monotonic() > end:
            raise SystemExit(f'{fork.folder}: no terminal is on the screen {OPEN_S} s after the click')
        watch(fork, LOOK_S)


def get_note(fork, mark):
    """The wall clock's time and the uptime, or None: no line with this mark has noted them yet."""
    answer = agent_notes.request(fork.agent, READY, 'ready', {})
    fork.expect(answer)
    words = answer['body']['notes'].get(NOTE, '').split()
    return (float(words[1]), float(words[2])) if len(words) == 4 and words[0] == mark else None


def get_times():
    return time.monotonic(), time.time()


def get_width(reading):
    return reading.until[0] - reading.since[0]


def try_to_read(fork):
    """Whatever time it takes; None: no note came. One of a line before has another mark."""
    mark = secrets.token_hex(4)
    write(fork, LINE % mark)
    since = get_times()
    write(fork, '\n')
    while time.monotonic() < since[0] + LINE_S:
        clocks = get_note(fork, mark)
        if clocks:
            return Reading(*clocks, since, get_times())
        watch(fork, LOOK_S)
    return None


def read(fork):
    end = time.monotonic() + READ_S
    while time.monotonic() < end:
        reading = try_to_read(fork)
        if reading and get_width(reading) <= WIDEST_S:
            return reading
        took = f'{get_width(reading):.1f} s' if reading else f'more than {LINE_S} s'
        print(f'{fork.folder}: to read its clocks took {took}: once more', flush=True)
    raise SystemExit(f'{fork.folder}: in {READ_S} s its clocks were never read within {WIDEST_S} s')


def expect_wall_clock(fork, reading):
    if not reading.since[1] - SET_LATE_S <= reading.wall_s <= reading.until[1] + SET_EARLY_S:
        raise SystemExit(f'{fork.folder}: its wall clock said {reading.wall_s}, read from {reading.since[1]} to {reading.until[1]}')


def bound_begin(fork, reading):
    """The least and the most that its uptime can have been when it began."""
    least = reading.uptime_s - (reading.until[0] - fork.started_at) - UPTIME_S
    most = reading.uptime_s - (reading.since[0] - fork.running_at) + UPTIME_S
    return least, most


def expect_steady(readings_of):
    """Of each fork; complains of the first that does not go with those before it. What uptime they began with, from and to."""
    lowest, highest = float('-inf'), float('inf')
    for fork, readings in readings_of.items():
        for number, reading in enumerate(readings, 1):
            expect_wall_clock(fork, reading)
            least, most = bound_begin(fork, reading)
            if least > highest or most < lowest:
                raise SystemExit(f'{fork.folder}: by its reading {number} it began with an uptime of {least:.2f} to {most:.2f} s, by those '
                                 f'before it was {lowest:.2f} to {highest:.2f} s')
            lowest, highest = max(lowest, least), min(highest, most)
    return lowest, highest
