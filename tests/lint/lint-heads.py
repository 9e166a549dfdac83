#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# lint-heads.py - each C file begins with its SPDX line and `name - what it is`; each script says the same in its head
import os
import re
import sys
sys.dont_write_bytecode = True
import tree

SPDX = 'SPDX-License-Identifier: GPL-3.0-or-later'
HEAD_LINES = 8

found = tree.files('*.c', '*.h', '*.sh', '*.py')
for path in found:
    name = os.path.basename(path)
    head = tree.lines(path)[:HEAD_LINES]
    if name.endswith(('.c', '.h')):
        if head[:1] != ['/* %s */' % SPDX]:
            tree.complain(path, 1, "begin with '/* %s */'" % SPDX)
    elif not any(SPDX in line for line in head):
        tree.complain(path, 1, "say '# %s' at the top" % SPDX)
    what = re.compile(r'(^|[\s/*#])%s - \S' % re.escape(name))
    if not any(what.search(line) for line in head):
        tree.complain(path, 1, "say what it is below the SPDX line: '%s - ...'" % name)
tree.finish(len(found))
