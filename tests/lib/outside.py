# SPDX-License-Identifier: GPL-3.0-or-later
# outside.py - the world that a test's desktops reach by their network: outside.py ADDRESS FOLDER
"""Listens on ADDRESS: who connects to port 80 gets FOLDER/script, to 81 the bytes of FOLDER/down; what is sent to 82 goes
to FOLDER/up.N, and each line sent to 83 is added to FOLDER/said; what is sent to 84 is thrown away. FOLDER/listens
appears when all of them listen."""
import socketserver
import sys
import threading

address, folder = sys.argv[1:]
lock = threading.Lock()
uploads = 0


class Give(socketserver.BaseRequestHandler):
    def handle(self):
        with open(f"{folder}/{self.name}", "rb") as file:
            self.request.sendall(file.read())


class GiveScript(Give):
    name = "script"


class GiveBytes(Give):
    name = "down"


class Take(socketserver.StreamRequestHandler):
    def handle(self):
        global uploads
        data = self.rfile.read()
        with lock:
            uploads += 1
            with open(f"{folder}/up.{uploads}", "wb") as file:
                file.write(data)


class Hear(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            with lock, open(f"{folder}/said", "ab") as file:
                file.write(line)


class Drop(socketserver.BaseRequestHandler):
    def handle(self):
        while self.request.recv(1 << 20):
            pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


threads = [threading.Thread(target=Server((address, port), handler).serve_forever)
           for port, handler in ((80, GiveScript), (81, GiveBytes), (82, Take), (83, Hear), (84, Drop))]
for thread in threads:
    thread.start()
open(f"{folder}/listens", "w").close()
for thread in threads:
    thread.join()
