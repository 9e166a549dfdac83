#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# lint-man.py - the options in each man page are those the built program's --help prints
#
# In a man page the options count that stand where one is explained: in the line after .TP, or in .IP or .OP.
# A page carrel-NOUN.1 without a program of that name is compared with `carrel NOUN --help`.
import glob
import os
import re
import subprocess
import sys
sys.dont_write_bytecode = True
import tree

OPTION = re.compile(r'(?<![\w-])--[a-z][a-z0-9-]*')
# What GLib adds by itself
IGNORED = re.compile(r'^--help-')


def page_options(path):
    options = {}
    tagged = False
    for number, line in enumerate(tree.lines(path), 1):
        if line.startswith('.\\"'):
            continue
        if tagged or line.startswith(('.IP', '.OP')):
            for option in OPTION.findall(line.replace('\\-', '-').replace('\\fB', '').replace('\\fI', '').replace('\\fR', '')):
                options.setdefault(option, number)
        tagged = line.startswith(('.TP', '.TQ'))
    return options


def program(name):
    for folder in tree.FOLDERS:
        path = os.path.join(tree.BUILD, folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def command(name):
    path = program(name)
    if path:
        return [path, '--help']
    words = name.split('-')
    path = program(words[0])
    if path and len(words) > 1:
        return [path] + words[1:] + ['--help']
    return None


def help_options(argv):
    environment = dict(os.environ, LC_ALL='C.UTF-8', LANGUAGE='C', ASAN_OPTIONS='detect_leaks=0')
    result = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            stdin=subprocess.DEVNULL, timeout=20, env=environment)
    text = result.stdout.decode(errors='replace')
    return result.returncode, set(OPTION.findall(text))


pages = [path for path in tree.files('*.1', '*.8') if path.startswith('docs/man/')]
named = {os.path.basename(path)[:-2] for path in pages}
for path in pages:
    name = os.path.basename(path)[:-2]
    argv = command(name)
    if not argv:
        tree.complain(path, 1, "no program '%s' is built in %s" % (name, tree.BUILD))
        continue
    documented = page_options(path)
    code, offered = help_options(argv)
    if code != 0:
        tree.complain(path, 1, "'%s' ends with code %d: --help prints usage and ends with 0" % (' '.join(argv[1:]), code))
    for option in sorted(offered - set(documented)):
        if not IGNORED.match(option):
            tree.complain(path, 1, '%s prints %s: explain it here (.TP, then its name)' % ('--help', option))
    for option, line in sorted(documented.items()):
        if option not in offered:
            tree.complain(path, line, '%s is not in --help: remove it here or add it there' % option)

built = [p for folder in tree.FOLDERS for p in glob.glob(os.path.join(tree.BUILD, folder, 'carrel*'))
         if os.path.isfile(p) and os.access(p, os.X_OK)]
for path in sorted(built):
    if os.path.basename(path) not in named:
        print('note: %s has no man page in docs/man/' % os.path.basename(path))
tree.finish(len(pages))
