# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_link.py - speaks with a carrel-vmm: seq.h messages on its sockets, as carrel-hostd (Control) and carrel-display do
import os
import socket
import struct
import time

HEAD = struct.Struct('=IIiI')
MAX_MESSAGE = 65536
TIMEOUT_S = 60

# base/proto_vmm.h
STATUS, PAUSE, RESUME, POWERDOWN, RESET, BALLOON, STATISTICS, SCREENSHOT, LINK, HOME, QUIT, EVENT, SEAL = range(1, 14)
MEDIUM_NONE, MEDIUM_RAW, MEDIUM_OVERLAY = range(3)
STATE_RUNNING, STATE_PAUSED, STATE_OFF, STATE_PANICKED, STATE_FAILED = range(1, 6)
EVENT_STATE, EVENT_AGENT_PORT, EVENT_VDAGENT_PORT, EVENT_REBOOTED = range(4)
STATUS_FIELDS = ('version', 'state', 'pause_reason', 'agent_open', 'vdagent_open', 'link_up',
                 'has_home')
STATISTICS_FIELDS = ('exits', 'disk_read_bytes', 'disk_written_bytes', 'net_received_bytes', 'net_sent_bytes',
                     'balloon_bytes', 'reported_bytes', 'guest_free_bytes', 'guest_total_bytes')

# base/proto_source.h
(HELLO, SCANOUT, ACK, DAMAGE, DRAWN, CURSOR, MOVE, LEDS, KEY, POINTER, WHEEL, SIZE,
 LISTEN, SOUND, PLAYED, HEARD, SPOKEN) = range(1, 18)


class Link:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(path)

    def send(self, kind, payload=b'', fds=(), number=0):
        socket.send_fds(self.socket, [HEAD.pack(kind, number, 0, len(payload)) + payload], list(fds))

    def receive(self):
        """The next message: type, id, status, payload, descriptors."""
        data, fds, _, _ = socket.recv_fds(self.socket, MAX_MESSAGE, 8)
        if not data:
            raise ConnectionError('carrel-vmm has ended the connection')
        kind, number, status, size = HEAD.unpack_from(data)
        return kind, number, status, data[HEAD.size:HEAD.size + size], fds

    def wait_for(self, wanted):
        """The payload of the next message of this type; the others, and their descriptors, are dropped."""
        while True:
            kind, _, _, payload, fds = self.receive()
            for fd in fds:
                os.close(fd)
            if kind == wanted:
                return payload


class Control(Link):
    """Events that come before an answer wait for wait_for_event()."""

    def __init__(self, path):
        super().__init__(path)
        self.number = 0
        self.events = []

    def take(self):
        kind, number, status, payload, _ = self.receive()
        if kind == EVENT:
            self.events.append(struct.unpack_from('=II', payload))
            return None
        return number, status, payload

    def ask(self, kind, payload=b'', fds=()):
        self.number += 1
        self.send(kind, payload, fds, self.number)
        answer = None
        while answer is None or answer[0] != self.number:
            answer = self.take()
        if answer[1] != 0:
            raise OSError(-answer[1], answer[2].rstrip(b'\0').decode())
        return answer[2]

    def wait_for_event(self, kind, value):
        while (kind, value) not in self.events:
            self.take()
        self.events.remove((kind, value))

    def status(self):
        return dict(zip(STATUS_FIELDS, struct.unpack('=7I', self.ask(STATUS))))

    def statistics(self):
        return dict(zip(STATISTICS_FIELDS, struct.unpack('=9Q', self.ask(STATISTICS))))

    def wait_for_status(self, field, value):
        """For what may have happened before this connection was there, and is then no event any more."""
        while self.status()[field] != value:
            time.sleep(0.01)

    def set_balloon(self, target_bytes):
        self.ask(BALLOON, struct.pack('=Q', target_bytes))

    def set_link(self, up, fds=()):
        self.ask(LINK, struct.pack('=I', up), fds)

    def set_home(self, medium, fds=()):
        self.ask(HOME, struct.pack('=I', medium), fds)
