#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# lint-packages.py - what configure asks pkg-config for comes out of section [build] of packages.txt
#
# A developer's machine has all sections; quickstart installs only what it needs, and stopped at configure once.
import re
import subprocess
import sys
sys.dont_write_bytecode = True
import tree


def build_packages():
    """As quickstart reads them."""
    script = '. "$0/data/setup.sh" && setup_list_packages "$0/packages.txt" build'
    return subprocess.run(['bash', '-c', script, tree.ROOT], stdout=subprocess.PIPE, text=True, check=True).stdout.split()


def package_of(module):
    """The Debian package that the module's .pc file came with; '' when it is not installed."""
    folder = subprocess.run(['pkg-config', '--variable=pcfiledir', module], stdout=subprocess.PIPE, text=True).stdout.strip()
    # dpkg may know the file by its path from before /usr was merged
    for path in (f'{folder}/{module}.pc', f'{folder}/{module}.pc'.removeprefix('/usr')):
        owner = subprocess.run(['dpkg-query', '-S', path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        if owner:
            return owner.split(':')[0]
    return ''


wanted = build_packages()
modules = []
for number, line in enumerate(tree.lines('configure.ac'), 1):
    for names in re.findall(r'PKG_CHECK_MODULES\(\[\w+\], \[([^]]*)\]', line):
        modules += [(number, word) for word in re.sub(r'[<>=]+ *\S+', '', names).split()]
for number, module in modules:
    package = package_of(module)
    if package and package not in wanted:
        tree.complain('configure.ac', number, f"'{module}' comes with {package}: list that in [build] of packages.txt")
tree.finish(len(modules))
