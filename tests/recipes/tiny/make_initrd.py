# SPDX-License-Identifier: GPL-3.0-or-later
# make_initrd.py - packs the tiny guest's initrd: make_initrd.py INITRD PARTS AGENT
"""
The archive is cpio's "newc" (Documentation/driver-api/early-userspace/buffer-format.rst of Linux): init, the modules in
the order of their names, carrel-agent, what a test has put into PARTS/programs, the libraries that ldd lists for these, and
LINKS. A program takes the place of the link of its name.
"""
import os
import re
import subprocess
import sys

FOLDERS = ["dev", "etc", "etc/ssh", "modules", "proc", "run", "sys", "tmp", "usr", "usr/bin", "usr/libexec", "usr/sbin",
           "var", "var/lib", "var/lib/systemd"]
# what the agent calls: tiny_init.c's program_table
LINKS = ["usr/bin/ssh-keygen", "usr/bin/systemctl", "usr/sbin/sshd"]


def make_record(number, name, mode, data):
    """One entry, its name and its data padded to four bytes."""
    plain = name.encode() + b"\0"
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(plain), 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + plain
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def find_libraries(program):
    """The paths of a program's libraries and of its loader."""
    text = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", text)


def pack(initrd, files):
    """Writes the archive: FOLDERS and the files, which are source paths by their names in the archive."""
    folders = set(FOLDERS)
    for name in files:
        while "/" in name:
            name = os.path.dirname(name)
            folders.add(name)
    with open(initrd, "wb") as out:
        for number, name in enumerate(sorted(folders)):
            out.write(make_record(number, name, 0o40755, b""))
        for number, (name, source) in enumerate(sorted(files.items()), start=1000):
            with open(source, "rb") as file:
                out.write(make_record(number, name, 0o100755, file.read()))
        for number, name in enumerate((link for link in LINKS if link not in files), start=2000):
            out.write(make_record(number, name, 0o120777, b"/init"))
        out.write(make_record(0, "TRAILER!!!", 0, b""))


def main(initrd, parts, agent):
    """The tiny guest's."""
    files = {"init": f"{parts}/init", "usr/libexec/carrel-agent": agent}
    for name in os.listdir(f"{parts}/modules"):
        files[f"modules/{name}"] = f"{parts}/modules/{name}"
    programs = f"{parts}/programs"
    for name in os.listdir(programs) if os.path.isdir(programs) else []:
        files[f"usr/bin/{name}"] = f"{programs}/{name}"
    for program in [path for name, path in files.items() if name.startswith("usr/")]:
        for library in find_libraries(program):
            files[library.lstrip("/")] = library
    pack(initrd, files)


if __name__ == "__main__":
    main(*sys.argv[1:])
