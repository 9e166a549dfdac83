#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# lint-length.py - functions of 100 lines and files of 1,000 lines at most; lists what comes near
import re
import sys
sys.dont_write_bytecode = True
import tree

FUNCTION_ASK, FUNCTION_MAX = 60, 100
FILE_ASK, FILE_MAX = 600, 1000


def functions(lines):
    """(name, first line, length): .clang-format puts a function's braces alone into the first column."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == '{':
            start = number
        elif line.startswith('}') and start:
            name = '?'
            for above in range(start - 2, max(start - 12, -1), -1):
                match = re.match(r'\S.*?(\w+)\(', lines[above]) or re.match(r'(\w+)\(', lines[above])
                if match:
                    name = match.group(1)
                    break
            yield name, start, number - start - 1
            start = None


found = tree.sources()
for path in found:
    lines = tree.lines(path)
    if len(lines) > FILE_MAX:
        tree.complain(path, len(lines), '%d lines, %d at most: split it into modules' % (len(lines), FILE_MAX))
    elif len(lines) > FILE_ASK:
        print('%s:%d: note: %d lines; does it hold one module?' % (path, len(lines), len(lines)))
    for name, line, length in functions(lines):
        if length > FUNCTION_MAX:
            tree.complain(path, line, "'%s' has %d lines, %d at most: make a table or helpers of it" % (name, length, FUNCTION_MAX))
        elif length > FUNCTION_ASK:
            print("%s:%d: note: '%s' has %d lines; aim under 40" % (path, line, name, length))
tree.finish(len(found))
