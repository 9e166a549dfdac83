# SPDX-License-Identifier: GPL-3.0-or-later
# unpack_kernel.py - takes the ELF kernel out of Debian's bzImage: unpack_kernel.py BZIMAGE ELF
"""
A machine in QEMU's tcg takes 6 s to do this by itself; the ELF file starts by its PVH note. The offsets are of the
kernel's setup header (Documentation/x86/boot.rst of Linux): setup_sects, payload_offset, payload_length.
"""
import lzma
import struct
import sys

SECTOR = 512


def main(source, target):
    """Writes the ELF file."""
    with open(source, "rb") as file:
        data = file.read()
    (sectors,) = struct.unpack_from("<B", data, 0x1F1)
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (sectors + 1) * SECTOR + offset
    # its size follows the compressed kernel: the end of the payload is not the end of the stream
    with open(target, "wb") as file:
        file.write(lzma.LZMADecompressor().decompress(data[start:start + length]))


if __name__ == "__main__":
    main(*sys.argv[1:])
