#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# lint-secrets.py - no secret, no machine's private path and no package archive's address in the tree
import re
import sys
sys.dont_write_bytecode = True
import tree

# Written so that this file does not match itself
RULES = (
    (r'(?<![\w.$})/-])/wor' r'k(/|\b)', 'a path of one machine: use a path below the tree or a temporary folder'),
    (r'/hom' r'e/[a-z][a-z0-9_-]*/(src|git|projects|carrel)\b', 'a path of one machine: use a path below the tree'),
    (r'\b(deb|security|snapshot|ftp[.a-z]*)\.debia' r'n\.org\b', "an archive's address: take it from the system's apt sources"),
    (r'\b(artifactor' r'y|[a-z0-9-]+\.interna' r'l\b)', 'a private host'),
    (r'-----BEGI' r'N [A-Z ]*PRIVATE KEY-----\s*\n[A-Za-z0-9+/]{20}', 'a private key: make it in the test that needs one'),
    (r'\bAKI' r'A[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30}|\bxox[bap]-[0-9A-Za-z-]{10}', 'an access token'),
)
rules = [(re.compile(pattern), what) for pattern, what in RULES]

found = tree.files()
for path in found:
    text = tree.read(path)
    for rule, what in rules:
        for match in rule.finditer(text):
            tree.complain(path, text.count('\n', 0, match.start()) + 1, what)
tree.finish(len(found))
