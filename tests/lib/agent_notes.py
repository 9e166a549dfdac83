# SPDX-License-Identifier: GPL-3.0-or-later
# agent_notes.py - asks the agent in a desktop for its notes (docs/PROTOCOL.md, "Agent frames")
"""
agent_notes.py SOCKET HOSTD_PID: prints {name: text} as JSON

A desktop's agent socket serves one peer, which is carrel-hostd. So this connects first and then kills it: this is next,
and when it has its answer and goes, the hostd started meanwhile takes the desktop over again.
"""
import json
import os
import secrets
import select
import signal
import socket
import struct
import sys

TIMEOUT_S = 60
REPEAT_S = 1
MAX_FRAME = 64 * 1024


def send(sock, number, verb, body):
    """One request."""
    text = json.dumps({"v": 1, "id": number, "verb": verb, "generation": 1, "body": body}).encode()
    sock.sendall(struct.pack("<I", len(text)) + text)


def receive(sock):
    """One frame's content."""
    data = b""
    while len(data) < 4 or len(data) < 4 + struct.unpack("<I", data[:4])[0]:
        wanted = 4 if len(data) < 4 else 4 + struct.unpack("<I", data[:4])[0]
        if wanted > 4 + MAX_FRAME:
            raise ValueError("the agent announces a frame that is too long")
        more = sock.recv(wanted - len(data))
        if not more:
            raise EOFError("the agent's socket was closed")
        data += more
    return json.loads(data[4:])


def resync(sock):
    """What comes before the echo of our nonce was for somebody else. Asked again and again, as hostd does."""
    nonce = secrets.token_hex(16)
    # tries, not time: a machine that stood for minutes finds its clock advanced by them
    for _ in range(max(1, int(sock.gettimeout() / REPEAT_S))):
        send(sock, 1001, "resync", {"nonce": nonce})
        while select.select([sock], [], [], REPEAT_S)[0]:
            answer = receive(sock)
            if answer.get("verb") == "resync" and (answer.get("body") or {}).get("nonce") == nonce:
                return
    raise TimeoutError("the agent does not answer")


def request(sock, number, verb, body):
    """The whole answer; events that come before it are dropped."""
    send(sock, number, verb, body)
    while True:
        answer = receive(sock)
        if answer.get("id") == number and answer.get("verb") == verb:
            return answer


def ask(sock):
    """The notes."""
    resync(sock)
    return request(sock, 1002, "ready", {})["body"]["notes"]


def main(path, hostd):
    """Connects, takes hostd's place, asks."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(TIMEOUT_S)
        sock.connect(path)
        os.kill(int(hostd), signal.SIGKILL)
        print(json.dumps(ask(sock)))


if __name__ == "__main__":
    main(*sys.argv[1:])
