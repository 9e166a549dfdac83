#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# fake_hostd.py - stands in for carrel-hostd towards the broker: one host whose desktops are ready at once
"""Usage: fake_hostd.py BROKER_SOCKET HOST [ROUNDS]

Speaks docs/PROTOCOL.md's sync. Every wanted desktop becomes ready, every session is logged in, every ticket is
acknowledged with a made-up certificate, every job is done. It ends after ROUNDS, or when it is killed.
"""
import http.client
import json
import os
import socket
import sys
import time


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


class Host:
    def __init__(self):
        self.desktops, self.tickets, self.jobs, self.events = {}, [], {}, []
        self.templates = [{"name": "t", "version": 1, "engine": "qemu", "kinds": ["user"], "ram_mib": 1024,
                           "created_ms": 1, "author": "root"}]
        self.images, self.number, self.seen = [], 0, 0
        self.networks = os.environ.get("FAKE_HOSTD_NETWORKS", "none passt").split()

    def event(self, kind, desktop, session="", value=0):
        self.number += 1
        self.events.append({"number": self.number, "time_ms": int(time.time() * 1000), "kind": kind, "desktop": desktop["id"],
                            "generation": desktop["generation"], "session": session, "value": value, "text": ""})

    def report(self):
        return {"v": 1, "instance": "fake", "seen": self.seen,
                "capacity": {"ram_mib": 8192, "ram_free_mib": 8000, "cpus": 2, "engines": [
                    {"name": "qemu", "usable": True, "accelerator": "tcg", "isolation": "none", "reason": "",
                     "networks": self.networks, "network_reason": "" if "passt" in self.networks else "install passt"}]},
                "gateway": {"proxy": "http://127.0.0.1:3128"}, "templates": self.templates, "images": self.images,
                "desktops": list(self.desktops.values()), "jobs": list(self.jobs.values()), "tickets": self.tickets,
                "answers": [], "events": self.events}

    def apply(self, answer):
        """Makes what exists equal to what is wanted; True when there is news to report."""
        before = json.dumps(self.report(), sort_keys=True)
        self.seen = answer["number"]
        self.events = [e for e in self.events if e["number"] > answer["acknowledged"]]
        wanted = {d["id"]: d for d in answer["desktops"] if d["want"] == "ready"}
        self.desktops = {i: d for i, d in self.desktops.items() if i in wanted}
        for wish in wanted.values():
            self.desktop(wish)
        known = {t["hash"] for t in self.tickets}
        for ticket in answer["tickets"]:
            if ticket["hash"] not in known:
                self.tickets.append({"hash": ticket["hash"], "state": "ready", "ca": "PEM", "tls_port": 61000,
                                     "host_subject": "CN=" + ticket["desktop"]})
        for job in answer["jobs"]:
            self.job(job)
        return json.dumps(self.report(), sort_keys=True) != before

    def desktop(self, wish):
        old = self.desktops.get(wish["id"])
        session = wish["session"]["id"] if wish["session"] else ""
        if not old or old["generation"] != wish["generation"]:
            old = {"id": wish["id"], "generation": wish["generation"], "state": "ready", "error": "", "session": ""}
            self.desktops[wish["id"]] = old
            self.event("forked", old, value=120)
            self.event("identified", old, value=300)
        if session and old["session"] != session:
            old["state"], old["session"] = "assigned", session
            self.event("logged_in", old, session, 400)

    def job(self, job):
        arguments = job["arguments"]
        self.jobs[job["id"]] = {"id": job["id"], "state": "cancelled" if job["cancel"] else "done", "step": "", "percent": 100,
                                "seconds_left": 0, "error": "", "result": {"size_bytes": 1}}
        if job["kind"] == "build":
            self.images.append({"name": arguments["template"], "created_ms": 1})
        if job["kind"] == "publish":
            self.templates.append({"name": arguments["template"], "version": arguments["version"], "engine": "qemu",
                                   "kinds": ["user"], "ram_mib": arguments["ram_mib"], "created_ms": 1,
                                   "author": arguments["author"]})


def main():
    host, rounds = Host(), int(sys.argv[3]) if len(sys.argv) > 3 else 1 << 30
    for _ in range(rounds):
        connection = UnixConnection(sys.argv[1])
        connection.request("POST", f"/api/v1/hosts/{sys.argv[2]}/sync", json.dumps(host.report()))
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"sync was refused with {answer.status}: {body.decode()}")
        host.apply(json.loads(body))


if __name__ == "__main__":
    main()
