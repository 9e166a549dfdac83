#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# rfb.py - a VNC client without a window, that does as it is told
"""
rfb.py ADDRESS     a socket's path, or a port of 127.0.0.1

Reads commands from standard input and answers each with one line, "ok" or what is wrong:

    shot FILE      writes the screen as a binary PPM, after all that the server has to say at the moment
    type TEXT      types it, with shift where a US keyboard needs it
    key KEYSYM     presses and releases a key, its keysym as a hexadecimal number
    size W H       asks for such a screen, and waits until there is one
    copy FILE      has copied what is in this file, UTF-8
    paste FILE     writes what the server has copied last, UTF-8, after all that it has to say at the moment

RFC 6143; only raw pixels, the pointer's shape (which is left out of the picture), ExtendedDesktopSize and the
extended clipboard, in which a text is provided at once.
"""
import select
import socket
import struct
import sys
import time
import zlib

RAW, RICH_CURSOR, DESKTOP_SIZE, EXTENDED_SIZE = 0, -239, -223, -308
EXTENDED_CLIPBOARD = 0xC0A1E5CE - (1 << 32)
PROVIDE_TEXT = 0x10000001
SHIFT = 0xFFE1
SHIFTED = '~!@#$%^&*()_+{}|:"<>?'
KEY_PAUSE_S = 0.06  # a guest without hardware virtualization
PATIENCE_S = 60


class Client:
    def __init__(self, address):
        if address.isdigit():
            self.socket = socket.create_connection(("127.0.0.1", int(address)))
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address)
        self.socket.settimeout(PATIENCE_S)
        self.copied = b""
        self.greet()

    def read(self, size):
        data = bytearray()
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError("the server has ended the connection")
            data += part
        return bytes(data)

    def greet(self):
        version = self.read(12)
        if version != b"RFB 003.008\n":
            raise EOFError(f"the server says {version}")
        self.socket.sendall(version)
        types = self.read(self.read(1)[0])
        if 1 not in types:
            raise EOFError(f"the server wants security of {list(types)}")
        self.socket.sendall(b"\1")
        if self.read(4) != bytes(4):
            raise EOFError("the server refuses")
        self.socket.sendall(b"\1")
        width, height = struct.unpack(">HH", self.read(4))
        self.read(16)
        self.read(struct.unpack(">I", self.read(4))[0])
        self.resize(width, height)
        encodings = (RAW, RICH_CURSOR, DESKTOP_SIZE, EXTENDED_SIZE, EXTENDED_CLIPBOARD)
        self.socket.sendall(struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings))
        self.ask(False)
        self.follow()

    def resize(self, width, height):
        self.width, self.height = width, height
        self.pixels = bytearray(4 * width * height)

    def ask(self, incremental):
        self.socket.sendall(struct.pack(">BBHHHH", 3, incremental, 0, 0, self.width, self.height))

    def take_rect(self):
        x, y, width, height, encoding = struct.unpack(">HHHHi", self.read(12))
        if encoding == RAW:
            data = self.read(4 * width * height)
            for row in range(height):
                at = 4 * ((y + row) * self.width + x)
                self.pixels[at:at + 4 * width] = data[4 * width * row:4 * width * (row + 1)]
        elif encoding == RICH_CURSOR:
            self.read(4 * width * height + (width + 7) // 8 * height)
        elif encoding in (DESKTOP_SIZE, EXTENDED_SIZE):
            if encoding == EXTENDED_SIZE:
                self.read(16 * self.read(4)[0])
            if (width, height) != (self.width, self.height):
                self.resize(width, height)
        else:
            raise EOFError(f"encoding {encoding} was not asked for")

    def take_message(self):
        kind = self.read(1)[0]
        if kind == 0:
            for _ in range(struct.unpack(">xH", self.read(3))[0]):
                self.take_rect()
            self.ask(True)
        elif kind == 3:
            self.take_text(struct.unpack(">xxxi", self.read(7))[0])
        elif kind != 2:
            raise EOFError(f"message {kind} is unknown")

    def take_text(self, length):
        body = self.read(abs(length))
        if length >= 0:
            raise EOFError("a text in Latin-1, though the client knows better")
        if struct.unpack(">I", body[:4])[0] == PROVIDE_TEXT:
            self.copied = zlib.decompress(body[4:])[4:].rstrip(b"\0").replace(b"\r\n", b"\n")

    def follow(self, quiet_s=0.5):
        """Takes what comes, until nothing has come for a while."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and select.select([self.socket], [], [], quiet_s)[0]:
            self.take_message()

    def press(self, keysym, down):
        self.socket.sendall(struct.pack(">BBHI", 4, down, 0, keysym))

    def shot(self, path):
        self.follow()
        with open(path, "wb") as file:
            file.write(b"P6\n%d %d\n255\n" % (self.width, self.height))
            rgb = bytearray(3 * self.width * self.height)
            rgb[0::3], rgb[1::3], rgb[2::3] = self.pixels[2::4], self.pixels[1::4], self.pixels[0::4]
            file.write(rgb)

    def key(self, keysym):
        self.press(int(keysym, 16), True)
        self.press(int(keysym, 16), False)
        time.sleep(KEY_PAUSE_S)

    def type(self, text):
        for letter in text:
            shift = letter.isupper() or letter in SHIFTED
            if shift:
                self.press(SHIFT, True)
            self.key(f"{ord(letter):x}")
            if shift:
                self.press(SHIFT, False)

    def size(self, words):
        width, height = map(int, words.split())
        self.socket.sendall(struct.pack(">BxHHBxIHHHHI", 251, width, height, 1, 0, 0, 0, width, height, 0))
        end = time.monotonic() + PATIENCE_S
        while (self.width, self.height) != (width, height):
            if time.monotonic() > end:
                raise ValueError(f"the screen stays {self.width}x{self.height}")
            self.follow()


    def copy(self, path):
        with open(path, "rb") as file:
            text = file.read().replace(b"\n", b"\r\n") + b"\0"
        body = struct.pack(">I", PROVIDE_TEXT) + zlib.compress(struct.pack(">I", len(text)) + text)
        self.socket.sendall(struct.pack(">Bxxxi", 6, -len(body)) + body)

    def paste(self, path):
        self.follow()
        with open(path, "wb") as file:
            file.write(self.copied)


def main():
    client = Client(sys.argv[1])
    commands = {"shot": client.shot, "type": client.type, "key": client.key, "size": client.size,
                "copy": client.copy, "paste": client.paste}
    print("ok", flush=True)
    for line in sys.stdin:
        name, _, rest = line.rstrip("\n").partition(" ")
        try:
            commands[name](rest)
            print("ok", flush=True)
        except ValueError as error:
            print(error, flush=True)


main()
