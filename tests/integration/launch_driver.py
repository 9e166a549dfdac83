#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# launch_driver.py - plays hostd for test-launch-processes.sh: launch_driver.py PROGRAM FOLDER
#
# A shell script stands in for QEMU and the worker: it writes what it is into its log and then waits for a line on
# descriptor 5.
import array
import errno
import os
import signal
import socket
import struct
import subprocess
import sys
import time

MAKE, SPAWN, KILL, REMOVE, LIST, COMMIT, STAGE_REMOVE, EXITED = range(1, 9)
QEMU, VMM, DISPLAY, NET, WORKER, BUILD, ALL = range(7)
HOSTD = 200002
SANDBOX = ['-nodefaults', '-no-user-config', '-sandbox',
           'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny']
STAND_IN = '''#!/bin/sh
echo BEGIN
grep -E '^(Uid|Gid|Groups|NoNewPrivs|CapEff|CapBnd|NSpid):' /proc/self/status
echo "net $(readlink /proc/self/ns/net)"
echo "mounts $(ls -d /proc/[0-9]* | wc -l)"
echo "env $(env | sort | tr '\\n' ' ')"
echo "args $*"
[ -z "$STAGE" ] && STAGE=$1
case "$STAGE" in
*/staging/*) echo result > "$STAGE/disk.img"; mkdir "$STAGE/qemu"; echo s > "$STAGE/qemu/state" ;;
esac
echo END
read line <&5
exit 7
'''
# Stands in for carrel-vmm: what is it before it contains itself?
CONTAINED_STAND_IN = '''#!/bin/sh
while read line; do echo "$line"; done </proc/self/status
while read line; do echo "uid_map $line"; done </proc/self/uid_map
for kind in user pid net ipc uts; do echo "$kind $(readlink /proc/self/ns/$kind)"; done
echo "more $(unshare --user true 2>&1)"
echo "pid $$"
echo END
read line <&5
exit 7
'''
NO_MORE = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"'
# Stands in for passt: can it reach what listens on this host?
NET_STAND_IN = '''#!/bin/bash
echo "net $(readlink /proc/self/ns/net)"
for address in 127.0.0.1 127.9.9.9 %s; do
	timeout 1 bash -c "exec 9<>/dev/tcp/$address/%d" 2>/dev/null && echo "reached $address" || echo "dropped $address"
done
echo END
read -r line <&3
'''
PASST = ['--foreground', '--quiet', '--fd', '3', '--no-map-gw', '--mtu', '32000', '--tcp-ports', 'none', '--udp-ports', 'none']

program, folder = sys.argv[1:3]
run, lib, libexec = (os.path.join(folder, n) for n in ('run', 'lib', 'libexec'))
os.makedirs(libexec)
os.chmod(libexec, 0o755)
stand_in = os.path.join(libexec, 'carrel-worker')
with open(stand_in, 'w') as f:
    f.write(STAND_IN)
os.chmod(stand_in, 0o755)
service = socket.create_server(('', 0))
net_stand_in = os.path.join(folder, 'net-stand-in')
state = {}
number = 0


def check(what, condition, detail=''):
    print(('ok   ' if condition else 'FAIL ') + what, detail if not condition else '', flush=True)
    if not condition:
        stop()
        sys.exit('failed: %s: %s' % (what, detail))


def wait_for(what, condition):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    check(what, False, 'not within 20 s')


def launch_command():
    return [program, '--run', run, '--lib', lib, '--libexec', libexec, '--uid-range', '200000-465535',
            '--hostd-uid', str(HOSTD), '--hostd-gid', str(HOSTD), '--qemu', stand_in, '--passt', net_stand_in]


def start():
    state['launch'] = subprocess.Popen(launch_command())
    connect()


def connect():
    def once():
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            s.connect(os.path.join(run, 'launch.sock'))
        except OSError:
            return None
        return s
    os.seteuid(HOSTD)
    try:
        state['socket'] = wait_for('connect', once)
    finally:
        os.seteuid(0)
    state['socket'].settimeout(20)


def stop():
    for found in (records() if state.get('socket') else {}).items():
        ask(KILL, struct.pack('=24sI', found[0], ALL))
    if state.get('launch'):
        state['launch'].terminate()
        state['launch'].wait()


def receive():
    data, fds, _flags, _ = socket.recv_fds(state['socket'], 65536, 24)
    kind, ident, status, size = struct.unpack_from('=IIiI', data)
    return kind, ident, status, data[16:16 + size], fds


def ask(kind, payload=b'', fds=()):
    global number
    number += 1
    message = struct.pack('=IIiI', kind, number, 0, len(payload)) + payload
    socket.send_fds(state['socket'], [message], list(fds))
    while True:
        k, ident, status, answer, got = receive()
        if k == EXITED:
            state.setdefault('exits', []).append(answer)
            continue
        assert (k, ident) == (kind, number), (k, ident)
        return status, answer, got


def refused(what, code, result):
    text = result[1].split(b'\0')[0].decode()
    check('%s is refused: %s' % (what, text), result[0] == -code and len(text) > 10, result[0])


def name(kind, letter):
    return ('%s-' % kind + letter * 20).encode()


def desktop(n, generation=1):
    return struct.pack('=24sQ', n, generation)


def spawn(n, role, args=(), targets=(), generation=1, argc=None, memory=0):
    argv = b''.join(a.encode() + b'\0' for a in args)
    padded = list(targets)[:16] + [0] * (16 - min(16, len(targets)))
    return struct.pack('=24sQIIII16iQ', n, generation, role, len(args) if argc is None else argc,
                       len(argv), len(targets), *padded, memory) + argv


def exited():
    if not state.get('exits'):
        while True:
            k, _, _, answer, _ = receive()
            if k == EXITED:
                break
    else:
        answer = state['exits'].pop(0)
    n, role, pid, status = struct.unpack('=24sIii', answer)
    return n.rstrip(b'\0'), role, pid, status


def log(path):
    def once():
        try:
            text = open(path).read()
        except OSError:
            return None
        return text if text.rstrip().endswith('END') else None
    return wait_for('log ' + path, once)


def records():
    status, answer, _ = ask(LIST)
    assert status == 0
    found = {}
    for at in range(0, len(answer), 136):
        values = struct.unpack_from('=24sQII' + 'i4xQ' * 6, answer, at)
        found[values[0].rstrip(b'\0')] = (values[1], values[2], values[3], values[4::2])
    return found


def test_desktop():
    d = name('d', 'a')
    status, answer, fds = ask(MAKE, desktop(d))
    check('make', status == 0 and len(fds) == 6, (status, answer))
    vm, display, sockets = struct.unpack('=III', answer)
    check('it says that all are there', sockets == 0b111111)
    check('uids are behind the services', vm >= 200064 and display == vm + 1)
    again = ask(MAKE, desktop(d))
    same = [os.fstat(f).st_ino for f in fds] == [os.fstat(f).st_ino for f in again[2]]
    check('make twice gives the same', again[:2] == (0, answer) and same)
    s = os.stat(os.path.join(run, 'desktops', d.decode(), 'control'))
    check('sockets are hostd\'s', s.st_uid == HOSTD and s.st_mode & 0o777 == 0o600)
    reader, writer = os.pipe()
    status, answer, got = ask(SPAWN, spawn(d, QEMU, SANDBOX + ['x y'], [5, 3, 63]), [reader, fds[0], fds[1]])
    check('spawn', status == 0 and len(got) == 1, (status, answer))
    pid, _ticks = struct.unpack('=i4xQ', answer)
    text = log(os.path.join(lib, 'desktops', d.decode(), 'qemu.log'))
    check('uid', 'Uid:\t%d\t%d\t%d\t%d\n' % (vm, vm, vm, vm) in text, text)
    check('no groups', 'Groups:\t \n' in text or 'Groups:\t\n' in text, text)
    check('no rights', 'CapEff:\t0000000000000000' in text and 'NoNewPrivs:\t1' in text, text)
    check('bounding set empty', 'CapBnd:\t0000000000000000' in text, text)
    net = os.readlink('/proc/self/ns/net')
    check('a network of its own', 'net net:' in text and net not in text, text)
    # 10 and 11 are the shell's own: its script, its saved input
    have = sorted(int(x) for x in os.listdir('/proc/%d/fd' % pid) if x not in ('10', '11'))
    check('descriptors arrive, no other', have == [0, 1, 2, 3, 5, 63], have)
    inode = os.fstat(fds[0]).st_ino
    check('the right one', os.readlink('/proc/%d/fd/3' % pid) == 'socket:[%d]' % inode)
    check('clean environment', 'HOME' not in text and 'LANG=C.UTF-8' in text, text)
    check('arguments', 'args ' + ' '.join(SANDBOX) + ' x y' in text, text)
    check('its machine has the sockets now', struct.unpack('=III', ask(MAKE, desktop(d))[1])[2] == 0b10000)
    refused('a second QEMU', errno.EEXIST, ask(SPAWN, spawn(d, QEMU, SANDBOX)))
    refused('remove of a living one', errno.EBUSY, ask(REMOVE, desktop(d)))
    return d, pid, writer


def test_refusals(d):
    refused('an unknown type', errno.ENOSYS, ask(77))
    refused('a wrong size', errno.EBADMSG, ask(MAKE, b'short'))
    refused('a name with ..', errno.EINVAL, ask(MAKE, desktop(b'd-../../../etc')))
    refused('an unknown role', errno.EINVAL, ask(SPAWN, spawn(d, 9)))
    refused('a job\'s role for a desktop', errno.EINVAL, ask(SPAWN, spawn(d, WORKER)))
    refused('a wrong argc', errno.EINVAL, ask(SPAWN, spawn(d, DISPLAY, ['a'], argc=2)))
    refused('another generation', errno.ESTALE, ask(SPAWN, spawn(d, DISPLAY, generation=2)))
    refused('an unknown desktop', errno.ENOENT, ask(SPAWN, spawn(name('d', 'z'), DISPLAY)))
    refused('a missing program', errno.ENOENT, ask(SPAWN, spawn(d, DISPLAY)))
    refused('no sandbox', errno.EPERM, ask(SPAWN, spawn(d, QEMU, SANDBOX[:2])))
    refused('a weaker sandbox', errno.EPERM, ask(SPAWN, spawn(d, QEMU, SANDBOX[:3] + ['on'])))
    refused('-daemonize', errno.EPERM, ask(SPAWN, spawn(d, QEMU, SANDBOX + ['--daemonize'])))
    refused('target 1', errno.EINVAL, ask(SPAWN, spawn(d, DISPLAY, [], [1]), [0]))
    refused('one target twice', errno.EINVAL, ask(SPAWN, spawn(d, DISPLAY, [], [4, 4]), [0, 0]))
    refused('fewer descriptors', errno.EINVAL, ask(SPAWN, spawn(d, DISPLAY, [], [4, 5]), [0]))
    refused('too many descriptors', errno.EBADMSG, ask(SPAWN, spawn(d, DISPLAY), [0] * 17))
    stranger = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stranger.settimeout(20)
    stranger.connect(os.path.join(run, 'launch.sock'))
    check('another uid is not served', stranger.recv(100) == b'')


def test_adoption(d, pid, writer):
    old = state['socket']
    connect()
    check('the newest hostd replaces the old', old.recv(10) == b'' and d in records())
    state['launch'].send_signal(signal.SIGKILL)
    state['launch'].wait()
    check('the desktop goes on', os.path.exists('/proc/%d' % pid))
    start()
    known = records()
    check('a restarted launch adopts it', known[d][3][QEMU] == pid, known)
    status, answer, fds = ask(MAKE, desktop(d))
    check('the display\'s socket comes anew after it',
          status == 0 and len(fds) == 1 and struct.unpack('=III', answer)[2] == 0b10000)
    os.write(writer, b'\n')
    check('its end is told', exited() == (d, QEMU, pid, -1))
    check('the sockets come again', len(ask(MAKE, desktop(d))[2]) == 6)
    reader, writer = os.pipe()
    _, answer, got = ask(SPAWN, spawn(d, QEMU, SANDBOX, [5]), [reader])
    os.write(writer, b'\n')
    n, role, _, status = exited()
    check('a child\'s end has its status', (n, role, os.waitstatus_to_exitcode(status)) == (d, QEMU, 7))
    reader, writer = os.pipe()
    ask(SPAWN, spawn(d, QEMU, SANDBOX, [5]), [reader])
    check('kill', ask(KILL, struct.pack('=24sI', d, ALL))[0] == 0)
    check('killed', exited()[3] == 9)
    # the shell's own children may still be ending
    wait_for('remove', lambda: ask(REMOVE, desktop(d))[0] == 0)
    gone = [p for p in (run, lib) if os.path.exists(os.path.join(p, 'desktops', d.decode()))]
    check('nothing remains', not gone and records() == {}, gone)


def job(letter, role, staging_owner):
    j = name('j', letter)
    stage = os.path.join(lib, 'staging', j.decode())
    reader, writer = os.pipe()
    status, answer, _ = ask(SPAWN, spawn(j, role, [stage], [5], 0), [reader])
    check('job starts', status == 0, answer)
    text = log(os.path.join(lib, 'jobs', j.decode() + '.log'))
    check('staging is the job\'s', staging_owner(os.stat(stage).st_uid), os.stat(stage).st_uid)
    return j, text, writer, stage


def commit(j, n, version):
    return ask(COMMIT, struct.pack('=24s64sII', j, n, version, 0))


def find_address():
    """One of this machine's own beside the loopback's, or the loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(('192.0.2.77', 9))
        except OSError:
            return '127.0.0.1'
        return probe.getsockname()[0]


def test_network():
    address, port = find_address(), service.getsockname()[1]
    with open(net_stand_in, 'w') as file:
        file.write(NET_STAND_IN % (address, port))
    os.chmod(net_stand_in, 0o755)
    for own in ('127.9.9.9', address):
        socket.create_connection((own, port), 10).close()
    d = name('d', 'n')
    ask(MAKE, desktop(d))
    os.makedirs('%s/desktops/%s' % (lib, d.decode()), exist_ok=True)
    for argv in ([], PASST[:4], PASST + ['--tcp-ports', 'all'], PASST + ['--dns', '--pcap']):
        refused('passt with %s' % argv[-2:], errno.EPERM, ask(SPAWN, spawn(d, NET, argv, [3]), [0]))
    reader, writer = os.pipe()
    status, answer, _ = ask(SPAWN, spawn(d, NET, PASST + ['--dns', '192.0.2.53'], [3]), [reader])
    check('passt runs', status == 0, answer)
    log = '%s/desktops/%s/net.log' % (lib, d.decode())
    text = wait_for('its log', lambda: 'END' in open(log).read() and open(log).read())
    check('on the host\'s network', os.readlink('/proc/self/ns/net') in text, text)
    check('but it reaches nothing of the host', 'reached' not in text and text.count('dropped') == 3, text)
    os.write(writer, b'\n')
    check('its end is told', exited()[:2] == (d, NET))
    wait_for('remove', lambda: ask(REMOVE, desktop(d))[0] == 0)


def put_program(name, text):
    path = os.path.join(libexec, name)
    with open(path, 'w') as file:
        file.write(text)
    os.chmod(path, 0o755)
    return path


def test_contained():
    d = name('d', 'v')
    path = put_program('carrel-vmm', CONTAINED_STAND_IN)
    vm, _, _ = struct.unpack('=III', ask(MAKE, desktop(d))[1])
    refused('carrel-vmm with more arguments', errno.EPERM, ask(SPAWN, spawn(d, VMM, ['--description', '5', '--help'])))
    reader, writer = os.pipe()
    status, answer, _ = ask(SPAWN, spawn(d, VMM, ['--description', '5'], [5]), [reader])
    check('carrel-vmm starts', status == 0, answer)
    text = log(os.path.join(lib, 'desktops', d.decode(), 'vmm.log'))
    check('it is the first process of its own', '\npid 1\n' in text, text)
    check('its uid is the same inside', 'Uid:\t%d\t%d\t%d\t%d\n' % (vm, vm, vm, vm) in text.replace(' ', ''), text)
    maps = [[int(n) for n in line.split()[1:]] for line in text.splitlines() if line.startswith('uid_map ')]
    check("it knows hostd's uid and no other", maps == [[vm, vm, 1], [HOSTD, HOSTD, 1]], maps)
    for kind in ('user', 'pid', 'net', 'ipc', 'uts'):
        check('%s namespace of its own' % kind, os.readlink('/proc/self/ns/' + kind) not in text, text)
    check('only the right to leave the files', 'CapPrm:\t0000000000200000' in text, text)
    check('no other to be had', 'CapBnd:\t0000000000000000' in text and 'NoNewPrivs:\t1' in text, text)
    check('no more namespaces', 'more unshare: unshare failed' in text, text)
    os.write(writer, b'\n')
    n, role, _, status = exited()
    check('its end is told', (n, role, os.waitstatus_to_exitcode(status)) == (d, VMM, 7), status)
    wait_for('remove', lambda: ask(REMOVE, desktop(d))[0] == 0)
    os.unlink(path)


def start_without_namespaces():
    """A launch for which this host's user namespaces are used up: in one where there may be no others."""
    launch = state['launch'] = subprocess.Popen(
        ['unshare', '--user', '--keep-caps', 'sh', '-c', 'read line; ' + NO_MORE, 'sh',
         *launch_command()], stdin=subprocess.PIPE)
    own = os.readlink('/proc/self/ns/user')
    wait_for('a user namespace', lambda: os.readlink('/proc/%d/ns/user' % launch.pid) != own)
    for kind in 'ug':
        with open('/proc/%d/%sid_map' % (launch.pid, kind), 'w') as file:
            file.write('0 0 500000')
    launch.stdin.write(b'\n')
    launch.stdin.flush()
    connect()


def test_without_namespaces():
    put_program('carrel-vmm', CONTAINED_STAND_IN)
    d = name('d', 'u')
    stop()
    start_without_namespaces()
    ask(MAKE, desktop(d))
    answer = ask(SPAWN, spawn(d, VMM, ['--description', '5']))
    refused('carrel-vmm without user namespaces', errno.ENOSPC, answer)
    check('by the name of the setting', b'user.max_user_namespaces' in answer[1], answer)
    wait_for('remove', lambda: ask(REMOVE, desktop(d))[0] == 0)


def test_jobs():
    j, text, writer, stage = job('b', WORKER, lambda uid: 200064 <= uid <= 400000)
    check('worker without network', os.readlink('/proc/self/ns/net') not in text, text)
    refused('commit while it runs', errno.EBUSY, commit(j, b'debian', 1))
    os.write(writer, b'\n')
    exited()
    refused('commit as ..', errno.EINVAL, commit(j, b'..', 1))
    os.symlink('/etc/passwd', stage + '/link')
    refused('commit with a link', errno.EINVAL, commit(j, b'debian', 1))
    os.unlink(stage + '/link')
    check('commit', commit(j, b'debian', 1)[0] == 0)
    s = os.stat(lib + '/templates/debian/1/qemu/state')
    check('it is hostd\'s, read-only', (s.st_uid, s.st_mode & 0o7777) == (HOSTD, 0o444))
    check('the job is forgotten', records() == {} and not os.path.exists(stage))

    for letter in 'cd':
        j, text, writer, stage = job(letter, BUILD, lambda uid: uid == 400000)
        check('build is root in its namespace', 'Uid:\t0\t0\t0\t0\n' in text, text)
        check('with all rights there', 'CapEff:\t0000000000000000' not in text, text)
        check('on the host\'s network', os.readlink('/proc/self/ns/net') in text, text)
        check('it sees few processes', int(text.split('\nmounts ')[1].split()[0]) < 10, text)
        refused('staging removed while it runs', errno.EBUSY, ask(STAGE_REMOVE, struct.pack('=24s', j)))
        os.write(writer, b'\n')
        exited()
        check('image commit', commit(j, b'debian', 0)[0] == 0)
        check('image there', sorted(os.listdir(lib + '/images')) == ['debian'])

    j, text, writer, stage = job('e', WORKER, lambda uid: True)
    check('kill a job', ask(KILL, struct.pack('=24sI', j, ALL))[0] == 0)
    exited()
    refused('a version that is there', errno.EEXIST, commit(j, b'debian', 1))
    check('stage removed', wait_for('removal', lambda: ask(STAGE_REMOVE, struct.pack('=24s', j))[0] == 0))
    check('nothing of it remains', not os.path.exists(stage) and records() == {})


start()
d, pid, writer = test_desktop()
test_refusals(d)
test_adoption(d, pid, writer)
test_network()
test_contained()
test_jobs()
test_without_namespaces()
stop()
check('launch ends well', state['launch'].returncode == 0)
