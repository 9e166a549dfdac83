# SPDX-License-Identifier: GPL-3.0-or-later
# desktop_sides.py - the Debian desktop sealed by tests/lib/kvm_sealed.sh, and its forks by carrel-vmm and by QEMU (fork_nested.py)
#
#   template = CarrelDesktops(machine, version, folder)    # or QemuDesktops: "machine" is the manifest's, "version" a sealed folder
#   fork = template.fork('fork-1')                          # as one of fork_sides.py's, until fork.running_at is there
#   fork.answer(); fork.identify(); fork.log_in('ada')      # in this order, and each may be the last
#   fork.end()
#
# Both templates have their memory in a memfd. So has engine qemu always, and engine kvm where templates_in_ram is set; by default it
# maps the file on the host's disk (CarrelDesktopsOnDisk). Disks are on the host's disk, as in the product, and so is a fork's overlay.
import os
import secrets
import selectors
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
import agent_notes  # noqa: E402
import fork_sides  # noqa: E402
import kvm_seal  # noqa: E402
import memory_file  # noqa: E402
import qemu_fork  # noqa: E402
import qemu_screen  # noqa: E402
import screen_clock  # noqa: E402
import vmm_screen  # noqa: E402

AGENT_S = 300     # at most, for an answer
LOG_IN_S = 600    # at most, to a picture that stays
SETTLED_S = 5
LOOK_S = 0.02
LOG_IN = 3        # the number of that request
UID = 20000
PANEL_HEIGHT, CLOCK_WIDTH, CODE_WIDTH = 28, 54, 64  # bench-login.sh: who is logged in, and right of it the time


def pick(screen, x, y, width, height):
    """This part of the picture."""
    begins = (row * screen.stride + 4 * x for row in range(y, y + height))
    return b''.join(bytes(screen.pixels[begin:begin + 4 * width]) for begin in begins)


def look(screen):
    """The panel's end without the clock, or None: it says who is logged in."""
    if screen.pixels is None:
        return None
    return pick(screen, screen.width - CLOCK_WIDTH - CODE_WIDTH, screen.height - PANEL_HEIGHT, CODE_WIDTH, PANEL_HEIGHT)


class Frames:
    """The pictures that were seen, each with the time when it was first seen."""

    def __init__(self):
        self.first_seen = {}
        self.picture = None
        self.since = 0
        self.text = False

    def add(self, picture):
        if picture is None or picture == self.picture:
            return
        self.picture = picture
        self.since = time.monotonic()
        self.first_seen.setdefault(picture, self.since)
        self.text = screen_clock.has_text(picture)

    def are_settled(self):
        return self.text and time.monotonic() - self.since >= SETTLED_S


class Desktop:
    """What makes a desktop of a fork; "folder" is where its sockets are, open_screen() is the subclass's."""
    folder = agent = screen = None

    def answer(self):
        """When the agent has echoed a nonce."""
        self.agent = socket.socket(socket.AF_UNIX)
        self.agent.settimeout(AGENT_S)
        self.agent.connect(os.path.join(self.folder, 'agent'))
        agent_notes.resync(self.agent)
        return time.monotonic()

    def expect(self, answer):
        if not answer['ok']:
            raise SystemExit(f'{self.folder}: {answer["verb"]}: {answer.get("error")}')

    def identify(self):
        mac = ':'.join(['52', '54', '00', *(secrets.token_hex(1) for _ in range(3))])
        body = {'seed': secrets.token_hex(64), 'time_us': time.time_ns() // 1000, 'hostname': 'd-' + secrets.token_hex(4),
                'machine_id': secrets.token_hex(16), 'mac': mac, 'link': False}
        self.expect(agent_notes.request(self.agent, 2, 'identify', body))

    def log_in(self, user):
        """The first picture that shows who is logged in, as screen_clock.py has it: when it came, and which it is."""
        self.screen = self.open_screen()
        agent_notes.send(self.agent, LOG_IN, 'login', {'user': user, 'uid': UID})
        frames, logged_in, end = Frames(), False, time.monotonic() + LOG_IN_S
        with selectors.DefaultSelector() as selector:
            selector.register(self.agent, selectors.EVENT_READ, self.take_answer)
            selector.register(self.screen.socket, selectors.EVENT_READ, self.take_picture)
            while not logged_in or not frames.are_settled():
                for key, _ in selector.select(LOOK_S):
                    logged_in |= key.data()
                frames.add(look(self.screen))
                if time.monotonic() > end:
                    raise SystemExit(f'{self.folder}: no text that stays is in the panel {LOG_IN_S} s after log-in')
        return frames.first_seen[frames.picture], frames.picture

    def take_answer(self):
        answer = agent_notes.receive(self.agent)
        if answer.get('id') != LOG_IN:
            return False
        self.expect(answer)
        return True

    def take_picture(self):
        self.screen.step(1)
        return False

    def end(self):
        if self.screen:
            self.screen.close()
        if self.agent:
            self.agent.close()
        super().end()


class CarrelDesktop(Desktop, fork_sides.Fork):
    says_when_running = 'starting -> running'

    def open_screen(self):
        return vmm_screen.Screen(os.path.join(self.folder, 'display'))


class QemuDesktop(Desktop, fork_sides.QemuFork):
    def handle(self, fd):
        super().handle(fd)
        self.running_at = self.qmp.done_at

    def open_screen(self):
        return qemu_screen.Screen(self.qmp)


class Desktops:
    def __init__(self, machine, version, folder):
        self.machine = machine
        self.version = version
        self.folder = os.path.join(folder, self.name)
        self.memory = self.load_memory()
        self.state = os.open(self.find('state'), os.O_RDONLY | os.O_CLOEXEC)

    def find(self, part):
        return os.path.join(self.version, self.engine, 'user', part)

    def load_memory(self):
        """With its holes."""
        memory = os.memfd_create('memory')
        subprocess.run(['cp', '--sparse=always', self.find('memory'), f'/proc/self/fd/{memory}'], pass_fds=[memory], check=True)
        return memory

    def open_overlay(self, name):
        folder = os.path.join(self.folder, name)
        os.makedirs(folder, exist_ok=True)
        return folder, os.open(os.path.join(folder, 'overlay'), os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC)


class CarrelDesktops(Desktops):
    name, engine = 'carrel', 'kvm'
    random = False

    def fork(self, name, environment=None):
        folder, overlay = self.open_overlay(name)
        machine = kvm_seal.describe(f'd-{name}', self.version, folder, self.machine['cpus'], self.machine['ram_mib'],
                                    self.machine['command_line'])
        machine.fork_from(self.memory, self.state)
        machine.json['memory_random'] = self.random
        machine.json['disks'][0].update(base_fd=machine.open(os.path.join(self.version, 'disk.img')),
                                        overlay_fd=machine.add(overlay))
        machine.json['sandbox'] = True
        fork = fork_sides.start_carrel(CarrelDesktop, machine, environment)
        fork.folder = folder
        return fork


class CarrelDesktopsOnDisk(CarrelDesktops):
    """Their memory is the version's own file. "ranges" of it are read ahead while a fork starts; "random": as a publish forks."""
    ranges = ()

    def load_memory(self):
        return os.open(self.find('memory'), os.O_RDONLY | os.O_CLOEXEC)

    def fork(self, name, environment=None):
        fork = super().fork(name, environment)
        memory_file.read_ahead(self.memory, self.ranges)
        return fork


class QemuDesktops(Desktops):
    name = engine = 'qemu'

    def __init__(self, machine, version, folder):
        super().__init__(machine, version, folder)
        kernel, initrd, disk = (os.path.join(version, file) for file in ('kernel', 'initrd', 'disk.img'))
        self.qemu = qemu_fork.Machine(self.folder, machine['cpus'], machine['ram_mib'], kernel, machine['command_line'],
                                      os.open(disk, os.O_RDONLY | os.O_CLOEXEC), initrd)
        self.qemu.memory = self.memory
        os.makedirs(self.folder, exist_ok=True)
        self.empty = fork_sides.make_empty_overlay(os.path.join(self.folder, 'empty.qcow2'), os.stat(disk).st_size)

    def fork(self, name, _environment=None):
        folder, overlay = self.open_overlay(name)
        os.write(overlay, self.empty)
        fork = QemuDesktop(self.qemu, name, overlay, self.state)
        fork.folder = folder
        return fork
