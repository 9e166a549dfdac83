# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_refusals.py - starts carrel-vmm with one thing wrong at a time
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../lib'))
import vmm_start  # noqa: E402

VMM = os.path.join(os.environ['CARREL_BUILD_DIR'], 'vmm', 'carrel-vmm')
FOLDER = os.environ['TMPDIR']
failures = 0


def file(name, content):
    path = os.path.join(FOLDER, name)
    with open(path, 'wb') as out:
        out.write(content)
    return path


def check(what, process, status, pattern):
    global failures
    text, _ = process.communicate(timeout=60)
    lines = [re.sub(r'^carrel-vmm\[\d+\]: error: ', '', line) for line in text.splitlines()]
    if process.returncode != status or len(lines) != 1 or not re.search(pattern, lines[0]):
        failures += 1
        print(f'FAIL: {what}: status {process.returncode}, not {status}, or not one line with /{pattern}/:\n{text}')
    else:
        print(f'{what}: {lines[0]}')


def spawn(arguments):
    return subprocess.Popen([VMM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def refuse(what, pattern, change=lambda json, fds: None, kernel=b'not a kernel' * 1000, initrd=None, **options):
    description = vmm_start.Description(**{'cpu': 'carrel-v0', 'ram_mib': 64, **options})
    description.boot(file('kernel', kernel), file('initrd', initrd) if initrd is not None else None, 'quiet')
    description.sockets(FOLDER)
    change(description.json, description)
    check(what, vmm_start.start(VMM, description, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True), 1, pattern)


def drop(key):
    return lambda json, fds: json.pop(key)


def put(key, value):
    return lambda json, fds: json.update({key: value})


def twice(json, fds):
    json['memory_fd'] = json['kvm_fd']


def shorten(json, fds):
    os.ftruncate(json['memory_fd'], 1 << 20)


refuse('not /dev/kvm', 'is not /dev/kvm', kvm='/dev/null')
refuse('no such processor', "no processor model 'carrel-v9'", cpu='carrel-v9')
refuse('memory shorter than it says', 'shorter than the 64 MiB', shorten)
refuse('kernel is none', 'kernel')
refuse('kernel is empty', 'kernel', kernel=b'')
refuse('kernel is cut off', 'kernel', kernel=b'MZ' + bytes(0x1ef) + b'\x04' + bytes(12) + b'HdrS' + bytes(20))
refuse('initrd is empty', 'initrd', initrd=b'')
refuse('unknown key', "the description is wrong: .*'size'", put('size', 5))
refuse('missing key', "the description is wrong: .*'cpus'", drop('cpus'))
refuse('descriptor twice', 'the description is wrong: .*descriptor', twice)
refuse('descriptor that is not open', 'the description is wrong: .*descriptor 999', put('memory_fd', 999))
refuse('contradiction', 'the description is wrong: ', put('scanouts', 1))
check('no description', spawn(['--description', '77']), 1, 'cannot be read from descriptor 77')
empty = file('empty', b'')
with open(empty, 'rb') as source:
    check('empty description', subprocess.Popen([VMM, '--description', str(source.fileno())], pass_fds=[source.fileno()],
                                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True), 1,
          'the description is wrong')
for arguments in ([], ['--description'], ['--description', 'x'], ['--description', '3', 'more'], ['--other']):
    process = spawn(arguments)
    text, _ = process.communicate(timeout=60)
    if process.returncode != 2 or 'Usage: carrel-vmm' not in text:
        failures += 1
        print(f'FAIL: {arguments} is not refused as wrong usage: {process.returncode} {text}')
sys.exit(1 if failures else 0)
