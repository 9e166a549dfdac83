#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# relay.py - a socket that leads to another one: relay.py LISTEN CONNECT, each PATH of a unix socket or ADDRESS:PORT
#
# So the broker's local socket inside the KVM host, whose peer is root there, can be used from outside.
import selectors
import socket
import sys
import threading

BLOCK = 65536


def parse(text):
    if text.startswith('/'):
        return socket.AF_UNIX, text
    address, port = text.rsplit(':', 1)
    return socket.AF_INET, (address, int(port))


def pump(one, other):
    """Until both directions have ended, each by itself."""
    selector = selectors.DefaultSelector()
    selector.register(one, selectors.EVENT_READ, other)
    selector.register(other, selectors.EVENT_READ, one)
    try:
        while selector.get_map():
            for key, _ in selector.select():
                data = key.fileobj.recv(BLOCK)
                if data:
                    key.data.sendall(data)
                else:
                    selector.unregister(key.fileobj)
                    key.data.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    one.close()
    other.close()


def serve(accepted, family, address):
    peer = socket.socket(family, socket.SOCK_STREAM)
    try:
        peer.connect(address)
    except OSError as error:
        print(f'{address}: {error}', file=sys.stderr, flush=True)
        accepted.close()
        return
    pump(accepted, peer)


def main():
    listener = socket.socket(parse(sys.argv[1])[0], socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(parse(sys.argv[1])[1])
    listener.listen(16)
    while True:
        accepted, _ = listener.accept()
        threading.Thread(target=serve, args=(accepted, *parse(sys.argv[2])), daemon=True).start()


if __name__ == '__main__':
    main()
