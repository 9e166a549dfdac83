# SPDX-License-Identifier: GPL-3.0-or-later
# qemu_screen.py - looks at the screen of a QEMU with "-display dbus,p2p=yes", as display/source_qemu.c does
#
#   screen = Screen(qmp)      # a qemu_fork.Qmp that has nothing to do
#   screen.step(1)            # whenever screen.socket can be read; then screen.pixels is what it shows, None: nothing yet
#
# Just enough of D-Bus: we call RegisterListener with a socket, and QEMU calls Scanout and Update there. It waits in its main loop
# until we have authenticated ourselves, and for an answer to what it asks of our object's properties: an error will do.
import os
import socket
import struct

CALL, ANSWER, ERROR = 1, 2, 3
NO_REPLY = 1
PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, SIGNATURE, UNIX_FDS = 1, 2, 3, 4, 5, 8, 9
HEAD = struct.Struct('<cBBBIII')
SETUP_S = 60
CHUNK = 1 << 20


def align(size):
    return (size + 7) & ~7


def pack_field(code, kind, value):
    data = bytes([code, 1]) + kind.encode() + b'\0'
    if kind == 'u':
        return data + struct.pack('<I', value)
    length = struct.pack('<B' if kind == 'g' else '<I', len(value))
    return data + length + value.encode() + b'\0'


def pack_message(kind, serial, fields, body=b''):
    packed = b''
    for field in fields:
        packed = packed.ljust(align(len(packed)), b'\0') + pack_field(*field)
    return HEAD.pack(b'l', kind, 0, 1, len(body), serial, len(packed)) + packed.ljust(align(len(packed)), b'\0') + body


class Link:
    """One connection; we are the client of either."""

    def __init__(self):
        self.socket, self.peer = socket.socketpair()
        self.socket.settimeout(SETUP_S)
        self.rest = bytearray()

    def authenticate(self):
        uid = str(os.getuid()).encode().hex()
        for line, answer in ((f'\0AUTH EXTERNAL {uid}', b'OK '), ('NEGOTIATE_UNIX_FD', b'AGREE_UNIX_FD')):
            self.socket.sendall(line.encode() + b'\r\n')
            if not self.socket.recv(256).startswith(answer):
                raise ConnectionError('QEMU does not let us in')
        self.socket.sendall(b'BEGIN\r\n')

    def read(self):
        data = self.socket.recv(CHUNK)
        if not data:
            raise ConnectionError("QEMU has closed its display's connection")
        self.rest += data

    def take(self):
        """(kind, flags, serial, fields, body) of the next message that is there as a whole, or None."""
        if len(self.rest) < HEAD.size:
            return None
        _, kind, flags, _, body_size, serial, fields_size = HEAD.unpack_from(self.rest)
        begin = HEAD.size + align(fields_size)
        if len(self.rest) < begin + body_size:
            return None
        fields, body = bytes(self.rest[HEAD.size:begin]), bytes(self.rest[begin:begin + body_size])
        del self.rest[:begin + body_size]
        return kind, flags, serial, fields, body


class Screen:
    def __init__(self, qmp):
        self.pixels = None
        self.control = Link()
        qmp.run([('getfd', {'fdname': 'display'}, self.control.peer.detach()),
                 ('add_client', {'protocol': '@dbus-display', 'fdname': 'display'}, -1)])
        qmp.finish()
        self.control.authenticate()
        self.listener = Link()
        self.register()
        self.listener.authenticate()
        self.socket = self.listener.socket

    def register(self):
        fields = [(PATH, 'o', '/org/qemu/Display1/Console_0'), (INTERFACE, 's', 'org.qemu.Display1.Console'),
                  (MEMBER, 's', 'RegisterListener'), (SIGNATURE, 'g', 'h'), (UNIX_FDS, 'u', 1)]
        with self.listener.peer as peer:
            socket.send_fds(self.control.socket, [pack_message(CALL, 1, fields, struct.pack('<I', 0))], [peer.fileno()])
        kind = None
        while kind not in (ANSWER, ERROR):
            self.control.read()
            while message := self.control.take():
                kind = message[0]
        if kind == ERROR:
            raise ConnectionError('QEMU takes no listener')

    def step(self, timeout):
        self.socket.settimeout(timeout)
        try:
            self.listener.read()
        except TimeoutError:
            return
        while message := self.listener.take():
            kind, flags, serial, fields, body = message
            if kind == CALL and not flags & NO_REPLY:
                refusal = [(ERROR_NAME, 's', 'org.freedesktop.DBus.Error.UnknownMethod'), (REPLY_SERIAL, 'u', serial)]
                self.socket.sendall(pack_message(ERROR, 1, refusal))
            if b'\0Scanout\0' in fields:
                self.width, self.height, self.stride, _, size = struct.unpack_from('<5I', body)
                self.pixels = bytearray(body[20:20 + size])
            elif b'\0Update\0' in fields and self.pixels:
                self.update(body)

    def update(self, body):
        x, y, width, height, stride, _, size = struct.unpack_from('<iiiiIII', body)
        data = body[28:28 + size]
        for row in range(height):
            at = (y + row) * self.stride + 4 * x
            self.pixels[at:at + 4 * width] = data[row * stride:row * stride + 4 * width]

    def close(self):
        for link in (self.listener, self.control):
            link.socket.close()
