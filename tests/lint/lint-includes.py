#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# lint-includes.py - includes from the root, one x.c with one x.h, unique names, lean headers, no cycles
import os
import sys
sys.dont_write_bytecode = True
import tree

HEADER_MAX_LINES = 150

found = tree.sources()
known = set(found)
graph = {}
names = {}


def behind_table(stem):
    """display_spice.c is behind the table of functions in display.h: it needs no header of its own."""
    folder, name = os.path.split(stem)
    return '_' in name and os.path.join(folder, name.split('_')[0] + '.h') in known


for path in found:
    graph[path] = []
    for number, quote, header in tree.includes(path):
        if quote == '"' and header == 'config.h':
            continue
        if quote == '"' and header not in known:
            tree.complain(path, number, 'write "%s" from the root of the tree, or in <> if it is not ours' % header)
        elif quote == '<' and (header in known or header == 'config.h'):
            tree.complain(path, number, 'write <%s> in quotes: it is ours' % header)
        elif quote == '"':
            graph[path].append(header)

    if path.endswith('.h'):
        length = len(tree.lines(path))
        if length > HEADER_MAX_LINES:
            tree.complain(path, length, 'a header of more than %d lines is two modules: split it' % HEADER_MAX_LINES)

    stem, extension = os.path.splitext(path)
    if tree.folder(path) == 'tests':
        continue
    names.setdefault(os.path.basename(stem), set()).add(stem)
    if extension == '.c' and stem + '.h' not in known and not tree.is_main(path) and not behind_table(stem):
        tree.complain(path, 1, 'a module is x.c and x.h: add %s.h' % stem)

for name, stems in sorted(names.items()):
    if len(stems) > 1:
        for stem in sorted(stems):
            path = stem + ('.c' if stem + '.c' in known else '.h')
            tree.complain(path, 1, "the module name '%s' is taken: rename one of %s" % (name, ', '.join(sorted(stems))))

state = {}


def visit(path, trail):
    """Depth first; a header met again on its own trail closes a cycle."""
    if state.get(path) == 'done':
        return
    if path in trail:
        cycle = trail[trail.index(path):] + [path]
        tree.complain(path, 1, 'include cycle, forward declare a struct instead: ' + ' -> '.join(cycle))
        return
    for header in graph.get(path, []):
        visit(header, trail + [path])
    state[path] = 'done'


for path in found:
    visit(path, [])
tree.finish(len(found))
