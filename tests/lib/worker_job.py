# SPDX-License-Identifier: GPL-3.0-or-later
"""worker_job.py - run one job in carrel-worker, as carrel-hostd would (base/proto_job.h)

worker_job.py WORKER KIND JSON [--kill STEP | --cancel STEP]: prints each step; the last line is DONE's status, text
and JSON. With --kill or --cancel the worker is killed or told to stop when that step begins.
"""
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
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.dup2(theirs.fileno(), 3)
    process = subprocess.Popen([worker], pass_fds=[3])
    os.close(3)
    if theirs.fileno() != 3:
        theirs.close()
    else:
        theirs.detach()
    return ours, process


def show_done(payload):
    status, text, size = struct.unpack("=i300sI", payload[:308])
    text = text.split(b"\0")[0].decode()
    result = json.loads(payload[308:308 + size]) if size else None
    print(json.dumps({"status": status, "text": text, "result": result}), flush=True)


def main(worker, kind, arguments, how="", when=""):
    placeholder = os.open("/dev/null", os.O_RDONLY)  # keeps 3 free for the worker's end
    ours, process = start(worker)
    os.close(placeholder) if placeholder != 3 else None
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
