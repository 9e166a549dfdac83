#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# fake_broker.py - a broker that is none, to drive carrel-viewer and carrel in tests
"""A broker that is none, to drive carrel-viewer and carrel in tests

Speaks docs/PROTOCOL.md "API" over TLS with the given certificate, or on a unix socket where everybody is admin. What
PAM would ask is in LOGINS: a user's batches of prompts, each with the answers it wants, and the end. Anybody else is
asked for a password and denied. The nouns hold one or two rows each, in the columns of the real broker; lists come in
pages of --page rows. Everything it is asked is written to standard output, one line each, without secrets; the first
line is "listening ADDRESS".

usage: fake_broker.py (--port N --cert FILE --key FILE | --socket PATH) [--pools N] [--vv FILE.json] [--polls N]
                      [--page N]
"""
import argparse
import base64
import http.server
import json
import os
import socketserver
import ssl
import urllib.parse

INFO = "info"
ERROR = "error"
SECRET = "echo-off"
PLAIN = "echo-on"
LOGIN = "l-aaaaaaaaaaaaaaaaaaaa"
SESSION = "s-aaaaaaaaaaaaaaaaaaaa"
DESKTOP = "d-aaaaaaaaaaaaaaaaaaaa"

# user: ([(prompts, answers that let on)], how it ends: "" or (status, code))
LOGINS = {
    "ada": (
        [
            ([(INFO, "Welcome to the library."), (SECRET, "Password: ")], ["lace"]),
            ([(PLAIN, "Verification code: ")], ["analytical"]),
        ],
        "",
    ),
    # a batch without a question before, between and after
    "grace": (
        [
            ([(INFO, "The library closes at ten.")], []),
            ([(SECRET, "Password: ")], ["hopper"]),
            ([(ERROR, "Your password ends in 3 days."), (INFO, "Change it in time.")], []),
        ],
        "",
    ),
    "joan": (
        [
            ([(SECRET, "Password: ")], ["clarke"]),
            ([(ERROR, "You must change your password now."), (SECRET, "New password: ")], ["hut8"]),
            ([(SECRET, "Retype new password: ")], ["hut8"]),
        ],
        "",
    ),
    "locked": ([([(SECRET, "Password: ")], None)], (401, "login.locked")),
    "expired": ([([(SECRET, "Password: ")], None)], (401, "login.expired")),
    "limited": ([], (429, "login.limited")),
    "down": ([], (503, "login.unavailable")),
}
DENIED = ([([(SECRET, "Password: ")], None)], (401, "login.denied"))

TEMPLATES = [
    {"name": "debian-openbox", "version": 1, "host": "desk", "engine": "qemu", "kinds": ["user"], "ram_mib": 1024,
     "created_ms": 1700000000000, "author": "root", "current": False},
    {"name": "debian-openbox", "version": 2, "host": "desk", "engine": "qemu", "kinds": ["user"], "ram_mib": 1024,
     "created_ms": 1700000100000, "author": "root", "current": True},
]
IMAGES = [{"name": "debian-openbox", "host": "desk", "created_ms": 1700000000000}]
PNG = b"\x89PNG\r\n\x1a\n a picture"
DESKTOPS = [
    {"id": DESKTOP, "pool": "office", "host": "desk", "template": "debian-openbox", "version": 2, "state": "ready",
     "generation": 1, "error": ""},
]
JOBS = [
    {"id": "j-aaaaaaaaaaaaaaaaaaaa", "kind": "build", "state": "running", "step": "packages", "percent": 40,
     "seconds_left": 61, "error": ""},
    {"id": "j-bbbbbbbbbbbbbbbbbbbb", "kind": "publish", "state": "failed", "step": "verify", "percent": 90,
     "seconds_left": 0, "error": "the fork did not answer"},
    {"id": "j-cccccccccccccccccccc", "kind": "publish", "state": "running", "step": "verify", "percent": 90,
     "seconds_left": 5, "error": "", "template": "debian-openbox", "version": 2, "current_version": 2},
    {"id": "j-dddddddddddddddddddd", "kind": "publish", "state": "done", "step": "verify", "percent": 100,
     "seconds_left": 0, "error": "", "template": "debian-openbox", "version": 1, "current_version": 2},
    {"id": "j-eeeeeeeeeeeeeeeeeeee", "kind": "verify", "state": "running", "step": "fork once", "percent": 85,
     "seconds_left": 5, "error": "", "template": "debian-openbox", "version": 1, "current_version": 2},
    {"id": "j-ffffffffffffffffffff", "kind": "seal", "state": "done", "step": "seal", "percent": 100,
     "seconds_left": 0, "error": "", "template": "debian-openbox", "version": 1, "current_version": 2, "user": "",
     "reason": "it was sealed with CPU carrel-v1"},
]
STARTED = {"build": JOBS[0]["id"], "publish": JOBS[2]["id"], "verify": JOBS[4]["id"]}
HOSTS = [
    {"name": "desk", "seen_ms": 1700000000000, "drain": False, "ram_mib": 24000, "ram_free_mib": 21000, "cpus": 2,
     "engines": [{"name": "qemu", "usable": True, "accelerator": "tcg", "isolation": "none", "reason": ""}],
     "proxy": "http://127.0.0.1:3128", "desktops": 1},
]
STEPS = [
    {"step": "authenticate", "ms": 12, "at_ms": 1700000000000, "warm": False},
    {"step": "fork", "ms": 240, "at_ms": 1690000000000, "warm": True},
    {"step": "first frame", "ms": 480, "at_ms": 1700000000900, "warm": False},
]


class Broker:
    """What the fake broker remembers."""

    def __init__(self, options):
        self.options = options
        self.user = ""
        self.steps = []
        self.end = ""
        self.polls = 0
        self.over = False
        self.job_polls = 0

    def ask(self):
        """The next batch of prompts, or the end of the log-in."""
        if self.steps:
            prompts = [{"style": style, "text": text} for style, text in self.steps[0][0]]
            return 200, {"login": LOGIN, "state": "prompt", "prompts": prompts}
        if self.end:
            return self.end
        token = {"state": "done", "token": "t" * 52, "user": self.user, "roles": ["user"], "expires_s": 3600}
        return 200, token

    def login(self, body):
        """The first request of a log-in."""
        self.user = body.get("user", "")
        steps, self.end = LOGINS.get(self.user, DENIED)
        self.steps = list(steps)
        return self.ask()

    def answer(self, body):
        """The answers to the prompts asked last: as many as there were questions."""
        if not self.steps:
            return 404, "login.unknown"
        prompts, wanted = self.steps[0]
        answers = body.get("answers")
        questions = [text for style, text in prompts if style in (SECRET, PLAIN)]
        if not isinstance(answers, list) or len(answers) != len(questions):
            return 400, "login.answer"
        if wanted is not None and answers != wanted:
            self.steps = []
            return 401, "login.denied"
        self.steps.pop(0)
        return self.ask()

    def list(self, noun, rows, query, key="id"):
        """One page of rows."""
        after = query.get("after", [""])[0]
        start = next((n + 1 for n, row in enumerate(rows) if str(row[key]) == after), 0)
        page = rows[start : start + self.options.page]
        last = page[-1][key] if start + len(page) < len(rows) else None
        return 200, {noun: page, "next": last}

    def pools(self):
        """The pools on offer."""
        names = ["office", "laboratory", "kiosk"][: self.options.pools]
        return [{"name": name, "template": "debian-openbox", "size": 2, "users": ["ada"], "groups": [],
                 "network": "none"} for name in names]

    def assign(self, pool):
        """A session on a desktop of the pool; "kiosk" is always empty."""
        if pool == "kiosk":
            return 409, "pool.empty"
        self.polls = self.options.polls
        self.over = False
        return 200, {"session": SESSION, "desktop": DESKTOP, "state": "assigning"}

    def session(self):
        """The session's state; ready after some polls."""
        if self.over:
            return 404, "session.unknown"
        self.polls -= 1
        return 200, {**self.session_row(), "state": "preparing" if self.polls > 0 else "ready"}

    @staticmethod
    def session_row():
        """The one session there is."""
        return {"id": SESSION, "session": SESSION, "user": "ada", "pool": "office", "desktop": DESKTOP, "host": "desk",
                "state": "ready", "opened_ms": 1700000000000, "closed_ms": None, "reason": ""}

    def ticket(self):
        """The connection data out of the file given."""
        if self.over:
            return 404, "session.unknown"
        with open(self.options.vv, encoding="utf-8") as file:
            return 200, {"vv": json.load(file)}

    def release(self):
        """Log-off."""
        self.over = True
        return 204, {}

    def job(self, name):
        """A job; a running one is done at the third look."""
        row = next((row for row in JOBS if row["id"] == name), None)
        if not row:
            return 404, "job.unknown"
        if row["state"] == "running":
            self.job_polls += 1
            if self.job_polls > 2:
                row = {**row, "state": "done", "percent": 100, "seconds_left": 0}
        return 200, row

    def route_login(self, method, parts, body):
        """server, login, logout, me."""
        if (method, parts) == ("GET", ["server"]):
            return 200, {"name": "fake", "version": "0", "api": 1}
        if method == "POST" and parts[0] == "login":
            return self.login(body) if len(parts) == 1 else self.answer(body)
        if (method, parts) == ("POST", ["logout"]):
            return 204, {}
        return None

    def route_user(self, method, parts, body, query):
        """pools and sessions."""
        if parts[0] == "pools":
            row = next((row for row in self.pools() if len(parts) > 1 and row["name"] == parts[1]), None)
            if parts[-1] == "assign":
                return self.assign(parts[1])
            if len(parts) == 1:
                return self.list("pools", self.pools(), query, "name") if method == "GET" else (201, body)
            if not row:
                return 404, "pool.unknown"
            return (204, {}) if method == "DELETE" else (200, {**row, **body})
        if parts[0] == "sessions":
            if parts[1:] == ["revoke"]:
                return 200, {"revoked": 1}
            if len(parts) > 1 and parts[1] != SESSION:
                return 404, "session.unknown"
            if parts[-1] == "ticket":
                return self.ticket()
            if parts[-1] == "timing":
                return 200, {"session": SESSION, "steps": STEPS}
            if len(parts) == 2:
                return self.release() if method == "DELETE" else self.session()
            return self.list("sessions", [self.session_row()], query)
        return None

    def route_admin(self, method, parts, body, query):
        """desktops, templates, jobs, hosts."""
        if parts == ["desktops"]:
            return self.list("desktops", DESKTOPS, query)
        if parts[0] == "desktops":
            if parts[1] != DESKTOP:
                return 404, "desktop.unknown"
            if parts[-1] == "screenshot":
                return 200, {"png": base64.b64encode(PNG).decode()}
            return (200, DESKTOPS[0]) if method == "GET" else (202, {"request": 7})
        if parts == ["templates"]:
            return 200, {"templates": TEMPLATES, "images": IMAGES, "next": None}
        if parts[0] == "templates":
            self.job_polls = 0
            return 202, {"job": STARTED[parts[-1]]}
        if parts == ["jobs"]:
            return self.list("jobs", JOBS, query)
        if parts[0] == "jobs":
            return self.job(parts[1]) if method == "GET" else (204, {})
        if parts == ["hosts"]:
            return self.list("hosts", HOSTS, query, "name")
        if parts[0] == "hosts" and method == "PATCH":
            return (200, {"drain": body["drain"]}) if parts[1] == HOSTS[0]["name"] else (404, "host.unknown")
        return None

    def route(self, method, path, body):
        """(status, answer or problem code) of a request."""
        address = urllib.parse.urlsplit(path)
        query = urllib.parse.parse_qs(address.query)
        parts = address.path.split("/")[3:] or [""]
        return (self.route_login(method, parts, body) or self.route_user(method, parts, body, query)
                or self.route_admin(method, parts, body, query) or (404, "request.path"))


def make_handler(broker):
    """The handler class for one broker."""

    class Handler(http.server.BaseHTTPRequestHandler):
        """One request."""

        protocol_version = "HTTP/1.1"

        def handle_any(self):
            """Reads, routes, answers."""
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size) or b"{}")
            status, answer = broker.route(self.command, self.path, body)
            shown = {key: value for key, value in body.items() if key != "answers"}
            if "answers" in body:
                shown["answers"] = len(body["answers"])
            note = f" {answer}" if status >= 400 else ""
            print(self.command, self.path, json.dumps(shown), str(status) + note, flush=True)
            if status >= 400:
                answer = {"type": "about:blank", "status": status, "code": answer, "title": answer}
            data = json.dumps(answer).encode() if status != 204 else b""
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
            if status != 204:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if data:
                self.wfile.write(data)

        do_GET = do_POST = do_DELETE = do_PATCH = handle_any

        def log_message(self, format, *args):
            """Nothing: handle_any() has written its line."""

        def address_string(self):
            """A unix socket's peer has no address."""
            return ""

    return Handler


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The same over a unix socket."""

    daemon_threads = True


def make_server(options, handler):
    """A listening server, and where it listens."""
    if options.socket:
        if os.path.exists(options.socket):
            os.unlink(options.socket)
        return UnixServer(options.socket, handler), options.socket
    server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.cert, options.key)
    # the handshake belongs to the connection's thread, else one silent client stops all others
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server, f"https://127.0.0.1:{server.server_address[1]}"


def main():
    """Options, then for ever."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--socket")
    parser.add_argument("--pools", type=int, default=2)
    parser.add_argument("--polls", type=int, default=3)
    parser.add_argument("--page", type=int, default=100)
    parser.add_argument("--vv", default="")
    options = parser.parse_args()
    server, address = make_server(options, make_handler(Broker(options)))
    print("listening", address, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
