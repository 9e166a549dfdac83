# SPDX-License-Identifier: GPL-3.0-or-later
# outside.py - the world that a test's desktops reach by their network: outside.py ADDRESS FOLDER [BASE]
"""Listens on ADDRESS: who connects to port 80 gets FOLDER/script, to 81 the bytes of FOLDER/down; what is sent to 82 goes
to FOLDER/up.N, and each line sent to 83 is added to FOLDER/said; what is sent to 84 is thrown away; 85 gives the bytes of
FOLDER/tools. FOLDER/listens appears when all of them listen. BASE is another number for the first of these ports, 80."""
import socketserver
import sys
import threading

address, folder = sys.argv[1:3]
base = int(sys.argv[3]) if len(sys.argv) > 3 else 80
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


class GiveTools(Give):
    name = "tools"


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


threads = [threading.Thread(target=Server((address, base + offset), handler).serve_forever)
           for offset, handler in enumerate((GiveScript, GiveBytes, Take, Hear, Drop, GiveTools))]
for thread in threads:
    thread.start()
open(f"{folder}/listens", "w").close()
for thread in threads:
    thread.join()
