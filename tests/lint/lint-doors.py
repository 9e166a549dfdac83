#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# lint-doors.py - each outside library is included where doors.txt says, and nowhere else
import fnmatch
import re
import sys
sys.dont_write_bytecode = True
import tree

doors = []
for words in tree.table('doors.txt'):
    doors.append((re.compile(words[0]), words[1], words[2:]))


def within(path, patterns):
    if any(fnmatch.fnmatch(path, pattern[1:]) for pattern in patterns if pattern.startswith('!')):
        return False
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


users = {}
found = [path for path in tree.sources() if tree.folder(path) != 'tests']
for path in found:
    for number, quote, header in tree.includes(path):
        if quote != '<':
            continue
        for door, mode, patterns in doors:
            if not door.search(header):
                continue
            if mode == 'only' and not within(path, patterns):
                tree.complain(path, number, '<%s> may be included only by %s: use what these offer' %
                              (header, ', '.join(patterns)))
            elif mode == 'not' and within(path, patterns):
                tree.complain(path, number, '<%s> may not be used in plain C folders' % header)
            elif mode == 'one-in':
                folder = tree.folder(path)
                first = users.setdefault((door.pattern, folder), path)
                if folder not in patterns:
                    tree.complain(path, number, '<%s> has no door in %s/: use what base/ or common/ offer' % (header, folder))
                elif first != path:
                    tree.complain(path, number, '<%s> already has its door in %s: use that' % (header, first))
tree.finish(len(found))
