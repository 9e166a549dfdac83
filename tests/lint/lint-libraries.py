#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# lint-libraries.py - what hears a hostile guest links these libraries and no other
import os
import re
import subprocess
import sys
sys.dont_write_bytecode = True
import tree

ALLOWED = {'vmm/carrel-vmm': ('libc', 'libjansson', 'liburing', 'libz')}
SANITIZER = re.compile(r'lib(a|ub)san')
NEEDED = re.compile(r'\(NEEDED\).*\[(.*?)\.so')


def libraries(path):
    """As its dynamic section names them, up to '.so'."""
    text = subprocess.run(['readelf', '--dynamic', path], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [name for name in NEEDED.findall(text) if not SANITIZER.fullmatch(name)]


for program, allowed in ALLOWED.items():
    path = os.path.join(tree.BUILD, program)
    makefile = os.path.join(os.path.dirname(program), 'Makefile.am')
    if not os.path.exists(path):
        tree.complain(makefile, 1, f"'{program}' is not built in {tree.BUILD}")
        continue
    for name in libraries(path):
        if name not in allowed:
            tree.complain(makefile, 1, f"'{program}' links {name}: only {', '.join(allowed)} are allowed")
tree.finish(len(ALLOWED))
