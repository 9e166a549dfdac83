#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_screen.py - looks at the screen of a carrel-vmm without carrel-display: vmm_screen.py SOCKET SECONDS PICTURE.ppm
#
# Connects as base/proto_source.h says, takes the first scanout's surfaces and damage for that long, then writes what it
# shows. Prints a line for each surface. Ends with 1 when nothing was shown.
import mmap
import os
import struct
import sys
import time

import vmm_link
from vmm_link import ACK, DAMAGE, DRAWN, SCANOUT


class Screen(vmm_link.Link):
    def __init__(self, path):
        super().__init__(path)
        self.watch(0)
        self.updates = 0

    def watch(self, scanout):
        """From now on this one; all are answered."""
        self.scanout = scanout
        self.pixels = None

    def handle(self, kind, payload, fds):
        if kind == SCANOUT:
            scanout, *shape, generation = struct.unpack_from('=IIIIQ', payload)
            if scanout == self.scanout:
                self.width, self.height, self.stride = shape
                self.pixels = mmap.mmap(fds[0], self.stride * self.height, prot=mmap.PROT_READ) if fds else None
                print(f'surface {generation}: {self.width}x{self.height}', flush=True)
            self.send(ACK, struct.pack('=IIQ', scanout, 0, generation))
        elif kind == DAMAGE:
            scanout, _, generation = struct.unpack_from('=IIQ', payload)
            self.updates += 1
            self.send(DRAWN, struct.pack('=IIQ', scanout, 0, generation))

    def step(self, timeout):
        self.socket.settimeout(timeout)
        try:
            kind, _, _, payload, fds = self.receive()
        except TimeoutError:
            return
        self.handle(kind, payload, fds)
        for fd in fds:
            os.close(fd)

    def close(self):
        self.socket.close()

    def save(self, path):
        with open(path, 'wb') as file:
            file.write(b'P6\n%d %d\n255\n' % (self.width, self.height))
            for y in range(self.height):
                row = self.pixels[y * self.stride:y * self.stride + 4 * self.width]
                rgb = bytearray(3 * self.width)
                rgb[0::3], rgb[1::3], rgb[2::3] = row[2::4], row[1::4], row[0::4]
                file.write(rgb)


def main():
    screen = Screen(sys.argv[1])
    end = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < end:
        screen.step(max(0.01, end - time.monotonic()))
    if screen.pixels is None:
        return 1
    screen.save(sys.argv[3])
    print(f'{screen.updates} updates')
    return 0


if __name__ == '__main__':
    sys.exit(main())
