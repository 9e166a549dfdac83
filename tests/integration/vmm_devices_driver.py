# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_devices_driver.py - devices of a carrel-vmm on /dev/kvm from both sides, the guest's and the host's: vmm_devices_driver.py TEST
import errno
import fcntl
import os
import random
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../lib'))
import bare_machine  # noqa: E402
import vmm_link  # noqa: E402

MIB = bare_machine.MIB
MAC = '52:54:00:12:34:56'


def check(good, problem):
    if not good:
        bare_machine.fail(problem)


def make_token():
    return random.randrange(1000, 10000)


def test_rng():
    machine = bare_machine.Machine('rng')
    machine.run()
    machine.has_complained('virtio-rng', 8, 'queue 0: ')


def test_lost():
    """What KVM cannot go on with ends the guest, not carrel-vmm."""
    machine = bare_machine.Machine('lost')
    machine.start()
    machine.read_until('note: is lost')
    control = vmm_link.Control(machine.control_path)
    control.wait_for_status('state', vmm_link.STATE_FAILED)
    machine.stop(status=3)
    lines = [line for line in machine.log if 'vcpu=0 stands: KVM cannot go on' in line]
    check(len(lines) == 1 and 'rip=0xd0000000' in lines[0], f'it said {lines}')
    errors = [line for line in machine.log if ': error: ' in line]
    check(len(errors) == 1 and 'running -> failed: KVM cannot go on' in errors[0],
          f'hostd would not find the reason: {errors}')


def test_power():
    machine = bare_machine.Machine('power')
    machine.start()
    control = vmm_link.Control(machine.control_path)
    for line in ('note: is not interested', 'note: is interested'):
        machine.read_until(line)
        control.ask(vmm_link.POWERDOWN)
    machine.finish()


def test_clock():
    """Paused for longer than the guest's clocks may step."""
    machine = bare_machine.Machine('clock')
    machine.start()
    control = vmm_link.Control(machine.control_path)
    machine.read_until('note: looks at the clock')
    control.ask(vmm_link.PAUSE)
    time.sleep(1.5)
    control.ask(vmm_link.RESUME)
    control.ask(vmm_link.POWERDOWN)
    machine.finish()


def test_balloon():
    pages, page_bytes = 256, 4096
    machine = bare_machine.Machine('balloon')
    machine.start()
    control = vmm_link.Control(machine.control_path)

    def used_bytes():
        return os.fstat(machine.memory).st_blocks * 512

    machine.read_until('note: touched')
    before = used_bytes()
    control.set_balloon(pages * page_bytes)
    machine.read_until('note: given')
    check(before - used_bytes() == pages * page_bytes, f'of {before} bytes {used_bytes()} are left after a given MiB')
    check(control.statistics()['balloon_bytes'] == pages * page_bytes, 'it does not know what it has')
    control.set_balloon((pages + 1) * page_bytes)
    machine.read_until('note: reported')
    check(before - used_bytes() == 2 * pages * page_bytes, f'of {before} {used_bytes()} are left after a reported MiB')
    check(control.statistics()['reported_bytes'] == pages * page_bytes, 'it does not know what was reported')
    control.set_balloon(0)
    for line, free in (('note: told', 1000), ('note: told again', 2000)):
        machine.read_until(line)
        statistics = control.statistics()
        check((statistics['guest_free_bytes'], statistics['guest_total_bytes']) == (free, 3000), f'{line}: {statistics}')
    machine.finish()
    machine.has_complained('virtio-balloon', 9, 'a page that it gives is not in RAM')


def test_console():
    token = make_token()
    machine = bare_machine.Machine('console')
    machine.ports(machine.folder)
    machine.start()
    control = vmm_link.Control(machine.control_path)
    control.wait_for_status('agent_open', 1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
        agent.settimeout(bare_machine.TIMEOUT_S)
        agent.connect(os.path.join(machine.folder, 'agent'))
        agent.sendall(b'line %d' % token)
        answer = agent.recv(64)
        check(answer == b'LINE %d' % token, f'the guest answered {answer}')
    control.wait_for_event(vmm_link.EVENT_AGENT_PORT, 0)
    machine.finish()
    machine.has_complained('virtio-console', 5, 'a control message is too short')


class Peer:
    """The other end of the guest's cable, as passt is one."""

    def __init__(self):
        self.socket, self.guest = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(bare_machine.TIMEOUT_S)

    def send(self, frame):
        self.socket.sendall(struct.pack('>I', len(frame)) + frame)

    def receive(self):
        size = struct.unpack('>I', self.socket.recv(4, socket.MSG_WAITALL))[0]
        return self.socket.recv(size, socket.MSG_WAITALL)


def refuse_link(control, fds, wanted):
    try:
        control.set_link(True, fds)
    except OSError as error:
        if error.errno == wanted:
            return
    bare_machine.fail(f'a link was not refused with {errno.errorcode[wanted]}')


def test_net():
    token, large = make_token(), 1200
    frame = b'\xff' * 6 + bytes.fromhex(MAC.replace(':', '')) + b'\x88\xb5' + struct.pack('<I', token) + bytes(42)
    answer = bytes(14) + bytes(i * 7 & 255 for i in range(14, large))
    offloads = 1 << 7 | 1 << 8 | 1 << 11 | 1 << 12
    machine = bare_machine.Machine('net', command_line=str(token))
    first, second = Peer(), Peer()
    machine.json['net'] = {'mac': MAC, 'kind': 'stream', 'link': True, 'fd': machine.add(os.dup(first.guest.fileno()))}
    machine.start()
    control = vmm_link.Control(machine.control_path)
    check(first.receive() == frame, 'the frame that was sent did not come')
    first.send(answer)
    machine.read_until('note: waits for the link to go')
    control.set_link(False)
    machine.read_until('note: waits for the link to come')
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as packets:
        refuse_link(control, [packets.fileno()], errno.EINVAL)
    refuse_link(control, [machine.memory], errno.EINVAL)
    control.set_link(True, [second.guest.fileno()])
    check(second.receive() == frame, 'the new peer got another frame')
    check(control.status()['link_up'] == 1, 'the link is not up')
    first.guest.close()
    second.guest.close()
    # unshare(1), in which the test's carrel-vmm starts, holds its connection: there is no end to be seen
    first.socket.setblocking(False)
    try:
        bare_machine.fail(f'the first peer got {first.socket.recv(64)} when the link was down')
    except BlockingIOError:
        pass
    second.send(answer)  # which waits for the guest's buffers
    machine.finish()
    features = [int(line.split()[-1], 16) for line in machine.lines if line.startswith('note: features')]
    check(features and features[0] & offloads == 0, f'offloads are offered that the peer cannot do: {features}')
    machine.has_complained('virtio-net', 2, 'queue ')


def set_up_tap():
    """In the network namespace that the shell has made: the device's descriptor."""
    tunsetiff, tap, no_pi, vnet_header = 0x400454ca, 0x0002, 0x1000, 0x4000
    if not os.access('/dev/net/tun', os.R_OK | os.W_OK):
        print('/dev/net/tun is needed')
        sys.exit(77)
    fd = os.open('/dev/net/tun', os.O_RDWR)
    fcntl.ioctl(fd, tunsetiff, struct.pack('16sH22x', b'tap0', tap | no_pi | vnet_header))
    if os.path.exists('/proc/sys/net/ipv6'):
        with open('/proc/sys/net/ipv6/conf/tap0/disable_ipv6', 'w') as file:
            file.write('1')  # or the kernel sends frames of its own
    for command in ('link set tap0 address 02:00:00:00:00:01 up', 'address add 10.0.2.1/24 dev tap0',
                    f'neighbour add 10.0.2.2 lladdr {MAC} dev tap0'):
        subprocess.run(['ip', *command.split()], check=True)
    return fd


def receive_segment(packets):
    """A TCP segment larger than the link's MTU, as it is on the device: virtio's header, frame."""
    while True:
        data = packets.recv(65536)
        if data[10 + 23] == 6:
            return struct.unpack_from('<BBHHHH', data), data[10:]


def test_net_tap():
    token, port, piece = make_token(), 7777, 1000
    sol_packet, packet_vnet_header, every_frame = 263, 15, 3
    tap = set_up_tap()
    machine = bare_machine.Machine('net_tap', command_line=str(token))
    machine.json['net'] = {'mac': MAC, 'kind': 'tap', 'link': True, 'fd': machine.add(tap)}
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(every_frame))
    packets.setsockopt(sol_packet, packet_vnet_header, 1)
    packets.bind(('tap0', every_frame))
    packets.settimeout(bare_machine.TIMEOUT_S)
    host = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    host.bind(('10.0.2.1', port))
    host.settimeout(bare_machine.TIMEOUT_S)
    machine.start()
    data, guest = host.recvfrom(64)
    check(data == struct.pack('<I', token), f'the guest sent {data}')
    host.sendto(struct.pack('<I', token + 1), guest)
    header, frame = receive_segment(packets)
    check(header[1] == 1 and header[3] == piece, f'the header of a large segment is {header}')
    check(len(frame) == 54 + 3 * piece, f'it has {len(frame)} bytes')
    frame = bytes.fromhex(MAC.replace(':', '')) + frame[6:54] + b'y' * 3 * piece
    packets.send(struct.pack('<BBHHHH', 1, 1, 54, piece, 34, 16) + frame)
    machine.finish()


def receive_lights(display):
    return struct.unpack('=I', display.wait_for(vmm_link.LEDS))[0]


def test_input():
    key_a, key_escape, key_right_control = (30, 30), (1, 1), (0x9d, 97)  # by number of the display's, of Linux's
    machine = bare_machine.Machine('input')
    machine.display(machine.folder, width=640, height=480)
    machine.start()
    display = vmm_link.Link(os.path.join(machine.folder, 'display'))
    display.wait_for(vmm_link.HELLO)
    machine.read_until('note: listens to the keyboard')
    for key, _ in (key_a, key_right_control, key_escape):
        for down in (1, 0):
            display.send(vmm_link.KEY, struct.pack('=II', key, down))
    while receive_lights(display) != 4:
        pass
    machine.read_until('note: listens to the tablet')
    display.send(vmm_link.POINTER, struct.pack('=IIII', 0, 639, 0, 0))
    for steps in (1, -2):
        display.send(vmm_link.WHEEL, struct.pack('=i', steps))
    for buttons in (4, 1, 0):
        display.send(vmm_link.POINTER, struct.pack('=IIII', 0, 639, 0, buttons))
    machine.finish()
    events = [tuple(map(int, line.split()[2:])) for line in machine.lines if line.startswith('note: event')]
    events = [event for event in events if event[0] != 0]
    keys = [(1, code, down) for _, code in (key_a, key_right_control, key_escape) for down in (1, 0)]
    check(events[:len(keys)] == keys, f'the keyboard said {events}')
    tablet = [(3, 0, 32767), (3, 1, 0), (2, 8, 1), (2, 8, 2**32 - 2)]
    check(events[len(keys):len(keys) + 4] == tablet, f'the tablet said {events[len(keys):]}')
    buttons = [event for event in events[len(keys):] if event[0] == 1]
    check(buttons == [(1, 273, 1), (1, 272, 1), (1, 273, 0), (1, 272, 0)], f"the tablet's buttons said {buttons}")
    machine.has_complained('virtio-input', 6, 'queue 1: ')
    machine.has_complained('virtio-input', 7, 'queue 1: ')


def hear_until(display, plays, records):
    """All frames that are played until the guest's streams are like this."""
    heard = []
    while True:
        kind, _, _, payload, _ = display.receive()
        if kind == vmm_link.PLAYED:
            heard += struct.iter_unpack('<HH', payload)
            display.send(vmm_link.HEARD)
        elif kind == vmm_link.SOUND and struct.unpack('=II', payload) == (plays, records):
            return heard


def test_sound():
    """The client of the display hears each frame that is played, in order, and what it says is recorded."""
    cycle, token = 4800, make_token()
    machine = bare_machine.Machine('hda', command_line=str(token))
    machine.display(machine.folder)
    machine.json['sound'] = True
    machine.start()
    display = vmm_link.Link(os.path.join(machine.folder, 'display'))
    display.send(vmm_link.LISTEN, struct.pack('=II', 1, 1))
    hear_until(display, 1, 0)
    heard = hear_until(display, 0, 0)
    check(len(heard) > 2 * cycle - 1000, f'only {len(heard)} frames were heard')
    for i, (left, right) in enumerate(heard):
        check((left, right) == (i % cycle, token), f'frame {i} is {left}, {right}')
    hear_until(display, 0, 1)
    display.send(vmm_link.SPOKEN, struct.pack('<I', 0x12345678) * 4800)
    machine.finish()
    lines = [line for line in machine.log if "hda: the guest's driver is wrong: " in line]
    check(1 <= len(lines) <= 5 and any('list of buffers is bad' in line for line in lines), f'it complained: {lines}')


bare_machine.run_test({
    'balloon': test_balloon,
    'clock': test_clock,
    'console': test_console,
    'input': test_input,
    'lost': test_lost,
    'net': test_net,
    'net_tap': test_net_tap,
    'power': test_power,
    'rng': test_rng,
    'sound': test_sound,
})
