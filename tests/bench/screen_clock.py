# SPDX-License-Identifier: GPL-3.0-or-later
#
# screen_clock.py - from a key pressed on this X display to the pixels that follow from it
"""
screen_clock.py record X Y W H FIFO KEY [COMMAND...]
    presses KEY, then keeps the time of each new picture of that part of the screen. When something has been written to
    FIFO (the desktop is there), the first picture with text in it that stays for two seconds is the settled one. Prints
    "MS HASH": when it was first seen, and which picture it is. With COMMAND, the time starts when that starts, and KEY
    is pressed when it has ended.
screen_clock.py input X Y W H COUNT KEY...
    presses the keys in turn, COUNT in all, each after the part of the screen has come to rest; prints the milliseconds
    that each took to change it, a line each.

Keys go through XTEST from this process, so that no program has to start between the clock and the key.
"""
import ctypes
import hashlib
import os
import subprocess
import sys
import time

LOOK_S = 0.004
HOLD_S = 0.03  # as short as a person's tap can be; a shorter one may be taken for bouncing
REST_S = 0.4
LIMIT_S = 60
SETTLED_S = 2
TEXT_COLOURS = 8  # letters have soft edges; a bare panel or background has one colour or two
Z_PIXMAP = 2
ALL_PLANES = 0xFFFFFFFF


class Image(ctypes.Structure):
    """The beginning of Xlib's XImage."""
    _fields_ = [("width", ctypes.c_int), ("height", ctypes.c_int), ("xoffset", ctypes.c_int), ("format", ctypes.c_int),
                ("data", ctypes.c_void_p), ("byte_order", ctypes.c_int), ("bitmap_unit", ctypes.c_int),
                ("bitmap_bit_order", ctypes.c_int), ("bitmap_pad", ctypes.c_int), ("depth", ctypes.c_int),
                ("bytes_per_line", ctypes.c_int)]


class Screen:
    def __init__(self, area):
        self.x11, self.xtst = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
        self.x11.XOpenDisplay.restype = ctypes.c_void_p
        self.x11.XDefaultRootWindow.restype = ctypes.c_ulong
        self.x11.XGetImage.restype = ctypes.POINTER(Image)
        self.x11.XStringToKeysym.restype = ctypes.c_ulong
        self.display = ctypes.c_void_p(self.x11.XOpenDisplay(None))
        if not self.display:
            sys.exit("there is no X display: set DISPLAY")
        self.root = ctypes.c_ulong(self.x11.XDefaultRootWindow(self.display))
        self.area = [int(number) for number in area]

    def look(self):
        image = self.x11.XGetImage(self.display, self.root, *self.area, ctypes.c_ulong(ALL_PLANES), Z_PIXMAP)
        if not image:
            sys.exit(f"no picture of {self.area}: is it on the screen?")
        size = image.contents.bytes_per_line * image.contents.height
        pixels = ctypes.string_at(image.contents.data, size)
        self.x11.XDestroyImage(image)
        return pixels

    def press(self, name):
        code = self.x11.XKeysymToKeycode(self.display, ctypes.c_ulong(self.x11.XStringToKeysym(name.encode())))
        if code == 0:
            sys.exit(f"there is no key '{name}'")
        for down in (1, 0):
            self.xtst.XTestFakeKeyEvent(self.display, code, down, ctypes.c_ulong(0))
            self.x11.XFlush(self.display)
            if down:
                time.sleep(HOLD_S)

    def wait_rest(self):
        """Until nothing has changed for a while."""
        picture, since = self.look(), time.monotonic()
        while time.monotonic() - since < REST_S:
            time.sleep(LOOK_S)
            now = self.look()
            if now != picture:
                picture, since = now, time.monotonic()
        return picture


def has_text(picture):
    return len({picture[at:at + 4] for at in range(0, len(picture), 4)}) >= TEXT_COLOURS


def is_told(fifo):
    try:
        return bool(os.read(fifo, 64))
    except BlockingIOError:
        return False


def record(screen, path, key, *command):
    fifo = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    picture = screen.look()
    first_seen = {picture: 0.0}
    started = time.monotonic()
    if command:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    screen.press(key)
    told, since, text = None, started, False
    while told is None or now - since < SETTLED_S or not text:
        now, last, picture = time.monotonic(), picture, screen.look()
        first_seen.setdefault(picture, now - started)
        if told is None and is_told(fifo):
            told = now
        if picture != last:
            since, text = now, has_text(picture)
        if told is not None and now - told > LIMIT_S:
            sys.exit(f"no text that stays is on the screen {LIMIT_S} s after the desktop came")
        time.sleep(LOOK_S)
    print(f"{first_seen[picture] * 1000:.1f} {hashlib.sha256(picture).hexdigest()[:16]}")


def measure_input(screen, count, *keys):
    for i in range(int(count)):
        before = screen.wait_rest()
        started = time.monotonic()
        screen.press(keys[i % len(keys)])
        while screen.look() == before:
            if time.monotonic() - started > LIMIT_S:
                sys.exit(f"key '{keys[i % len(keys)]}' changed nothing in {LIMIT_S} s")
        print(f"{(time.monotonic() - started) * 1000:.1f}", flush=True)


def main(verb="", *arguments):
    verbs = {"record": (record, 6), "input": (measure_input, 6)}
    if verb not in verbs or len(arguments) < verbs[verb][1]:
        sys.exit(__doc__.strip())
    verbs[verb][0](Screen(arguments[:4]), *arguments[4:])


if __name__ == "__main__":
    main(*sys.argv[1:])
