#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# fake_broker.py - a broker that is none, to drive carrel-viewer and carrel in tests
"""A broker that is none, to drive carrel-viewer and carrel in tests

Speaks the part of docs/PROTOCOL.md "API" that clients use, over TLS with the given certificate. The user "ada" has
the password "lace" and then a code "1843"; anybody else is denied. Everything it is asked is written to standard
output, one line each, without secrets.

usage: fake_broker.py --port N --cert FILE --key FILE [--pools N] [--vv FILE.json] [--polls N]
"""
import argparse
import http.server
import json
import ssl

PROMPTS = {
    "password": [
        {"style": "info", "text": "Welcome to the library."},
        {"style": "echo-off", "text": "Password: "},
    ],
    "code": [{"style": "echo-on", "text": "Verification code: "}],
}


class Broker:
    """What the fake broker remembers."""

    def __init__(self, options):
        self.options = options
        self.step = "password"
        self.polls = 0
        self.over = False

    def login(self, body):
        """The first request of a log-in."""
        self.step = "password"
        return 200, {"login": "l-aaaaaaaaaaaaaaaaaaaa", "state": "prompt", "prompts": PROMPTS["password"]}

    def answer(self, body):
        """The answers to the prompts asked last."""
        answers = body.get("answers", [])
        if self.step == "password" and answers == ["lace"]:
            self.step = "code"
            return 200, {"login": "l-aaaaaaaaaaaaaaaaaaaa", "state": "prompt", "prompts": PROMPTS["code"]}
        if self.step == "code" and answers == ["1843"]:
            return 200, {"state": "done", "token": "t" * 52, "user": "ada", "roles": ["user"], "expires_s": 3600}
        return 401, "login.denied"

    def pools(self):
        """The pools on offer."""
        names = ["office", "laboratory", "kiosk"][: self.options.pools]
        return 200, {"pools": [{"name": name, "template": "debian-openbox", "size": 2} for name in names]}

    def assign(self, pool):
        """A session on a desktop of the pool; "kiosk" is always empty."""
        if pool == "kiosk":
            return 409, "pool.empty"
        self.polls = self.options.polls
        self.over = False
        return 200, {"session": "s-aaaaaaaaaaaaaaaaaaaa", "desktop": "d-aaaaaaaaaaaaaaaaaaaa", "state": "assigning"}

    def session(self):
        """The session's state; ready after some polls."""
        if self.over:
            return 404, "session.unknown"
        self.polls -= 1
        state = "preparing" if self.polls > 0 else "ready"
        return 200, {"session": "s-aaaaaaaaaaaaaaaaaaaa", "desktop": "d-aaaaaaaaaaaaaaaaaaaa", "state": state}

    def ticket(self):
        """The connection data out of the file given."""
        if self.over:
            return 404, "session.unknown"
        with open(self.options.vv, encoding="utf-8") as file:
            return 200, {"vv": json.load(file)}

    def end(self):
        """Log-off."""
        self.over = True
        return 200, {}

    def route(self, method, path, body):
        """(status, answer or problem code) of a request."""
        parts = path.split("/")[3:]
        if (method, parts) == ("GET", ["server"]):
            return 200, {"name": "fake", "version": "0", "api": 1}
        if method == "POST" and parts[0] == "login":
            return self.login(body) if len(parts) == 1 else self.answer(body)
        if (method, parts) == ("GET", ["pools"]):
            return self.pools()
        if method == "POST" and parts[0] == "pools" and parts[-1] == "assign":
            return self.assign(parts[1])
        if parts[0] == "sessions" and method == "POST" and parts[-1] == "ticket":
            return self.ticket()
        if parts[0] == "sessions" and len(parts) == 2:
            return self.end() if method == "DELETE" else self.session()
        if (method, parts) == ("POST", ["logout"]):
            return 200, {}
        return 404, "path.unknown"


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
            print(self.command, self.path, json.dumps(shown), status, flush=True)
            if status >= 400:
                answer = {"type": "about:blank", "status": status, "code": answer, "title": answer}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = do_PATCH = handle_any

        def log_message(self, format, *args):
            """Nothing: handle_any() has written its line."""

    return Handler


def main():
    """Options, TLS, for ever."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cert", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--pools", type=int, default=2)
    parser.add_argument("--polls", type=int, default=3)
    parser.add_argument("--vv", default="")
    options = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), make_handler(Broker(options)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.cert, options.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
