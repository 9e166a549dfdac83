#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# lint-graph.py - folders include each other only as graph.txt allows
import fnmatch
import sys
sys.dont_write_bytecode = True
import tree

rules = [(words[0], words[1:]) for words in tree.table('graph.txt')]
found = [path for path in tree.sources() if tree.folder(path) in tree.FOLDERS]
for path in found:
    allowed = next((folders for pattern, folders in rules if fnmatch.fnmatch(path, pattern)), [])
    for number, quote, header in tree.includes(path):
        if quote != '"' or tree.folder(header) not in tree.FOLDERS:
            continue
        folder = tree.folder(header)
        if folder != tree.folder(path) and folder not in allowed:
            tree.complain(path, number, '%s/ may not be included here: move what is shared to base/ or common/' % folder)
    if fnmatch.fnmatch(path, 'host/launch*'):
        for number, quote, header in tree.includes(path):
            if quote == '"' and tree.folder(header) == 'host' and not header.startswith('host/launch'):
                tree.complain(path, number, 'carrel-launch runs as root: it includes host/launch* and base/ only')
tree.finish(len(found))
