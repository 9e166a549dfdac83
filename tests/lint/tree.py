# SPDX-License-Identifier: GPL-3.0-or-later
# tree.py - what the lint scripts share: the files of the tree, and how a complaint is printed
import fnmatch
import os
import re
import subprocess
import sys

ROOT = os.path.abspath(os.environ.get('top_srcdir') or os.path.join(os.path.dirname(__file__), '../..'))
BUILD = os.path.abspath(os.environ.get('top_builddir') or os.path.join(ROOT, 'build'))

FOLDERS = ('base', 'common', 'vmm', 'auth', 'agent', 'display', 'host', 'broker', 'templates',
           'viewer', 'cli')

# What configure, autopoint and make leave in a tree that is not a git checkout
GENERATED_FOLDERS = {'.git', 'build', '_build', '_inst', 'build-aux', 'm4', 'autom4te.cache',
                     '__pycache__', '.deps', 'uninstalled'}
GENERATED_FILES = ('configure', 'config.h', 'config.h.in', 'config.log', 'config.status',
                   'aclocal.m4', 'Makefile.in', 'Makefile', 'Makefile.in.in', 'ABOUT-NLS', '*.o',
                   '*.a', '*.log', '*.trs', '*.gmo', '*.pot', '*.sin', '*.sed', '*.header',
                   'Rules-quot', 'Makevars.template', '.tarball-version')


def files(*patterns):
    """Paths from the root that match one of the patterns (all files without any), sorted."""
    if os.path.exists(os.path.join(ROOT, '.git')):
        found = subprocess.run(['git', '-C', ROOT, 'ls-files', '-z'], stdout=subprocess.PIPE)
        if found.returncode == 0:
            paths = [p for p in found.stdout.decode().split('\0')
                     if p and os.path.isfile(os.path.join(ROOT, p))]
            return select(paths, patterns)
    paths = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if f not in GENERATED_FOLDERS]
        for name in names:
            if not any(fnmatch.fnmatch(name, g) for g in GENERATED_FILES):
                paths.append(os.path.relpath(os.path.join(folder, name), ROOT))
    return select(paths, patterns)


def select(paths, patterns):
    return sorted(p for p in paths
                  if not patterns or any(fnmatch.fnmatch(os.path.basename(p), g) for g in patterns))


def sources():
    return files('*.c', '*.h')


def read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8', errors='replace') as file:
        return file.read()


def lines(path):
    return read(path).splitlines()


def folder(path):
    return path.split('/', 1)[0] if '/' in path else '.'


def is_main(path):
    """A program's main file has no header of its own, nor has a test."""
    return re.search(r'^(int )?main\(', read(path), re.M) is not None


INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(path):
    """(line number, '<' or '"', header) of each #include."""
    found = []
    for number, line in enumerate(lines(path), 1):
        match = INCLUDE.match(line)
        if match:
            found.append((number, match.group(1), match.group(2)))
    return found


def table(name):
    """Lines of a table beside the scripts, split at blanks; '#' begins a comment."""
    rows = []
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name)) as file:
        for line in file:
            words = line.split('#', 1)[0].split()
            if words:
                rows.append(words)
    return rows


complaints = 0


def complain(path, line, text):
    global complaints
    complaints += 1
    print('%s:%d: %s' % (path, line, text))


def finish(checked):
    print('%d checked, %d complaints' % (checked, complaints))
    sys.exit(1 if complaints else 0)
