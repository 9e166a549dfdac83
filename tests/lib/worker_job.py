# SPDX-License-Identifier: GPL-3.0-or-later
# worker_job.py - run one job in carrel-worker, as carrel-hostd would (base/proto_job.h)
"""
worker_job.py WORKER KIND JSON [--kill STEP | --cancel STEP]: prints each step; the last line is DONE's status, text
and JSON. With --kill or --cancel the worker is killed or told to stop when that step begins.
"""
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys

KINDS = {"build": 0, "publish": 1, "verify": 2}
START, PROGRESS, DONE, CANCEL = 1, 2, 3, 4
HEADER = struct.Struct("=IIiI")


def send(sock, kind, payload=b""):
    sock.send(HEADER.pack(kind, 0, 0, len(payload)) + payload)


def start(worker):
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # both above 3, so that the worker's can be put there
    ours, theirs = (socket.socket(fileno=fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10)) for end in ends)
    for end in ends:
        end.close()
    os.dup2(theirs.fileno(), 3)
    process = subprocess.Popen([worker], pass_fds=[3])
    os.close(3)
    theirs.close()
    return ours, process


def show_done(payload):
    status, text, size = struct.unpack("=i500sI", payload[:508])
    text = text.split(b"\0")[0].decode()
    result = json.loads(payload[508:508 + size]) if size else None
    print(json.dumps({"status": status, "text": text, "result": result}), flush=True)


def main(worker, kind, arguments, how="", when=""):
    ours, process = start(worker)
    body = arguments.encode()
    send(ours, START, struct.pack("=24sII", b"j-aaaaaaaaaaaaaaaaaaaa", KINDS[kind], len(body)) + body)
    while True:
        data = ours.recv(65536)
        if not data:
            print("gone", flush=True)
            break
        head = HEADER.unpack(data[:16])
        if head[0] == DONE:
            show_done(data[16:])
            break
        step, percent, left = struct.unpack("=32sII", data[16:56])
        step = step.split(b"\0")[0].decode()
        print(f"{percent}% {step} ({left} s left)", flush=True)
        if step == when and how == "--kill":
            process.kill()
        elif step == when and how == "--cancel":
            send(ours, CANCEL)
    return process.wait()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) & 1)
