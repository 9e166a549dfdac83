# SPDX-License-Identifier: GPL-3.0-or-later
#
# api_stage.py - carrel-authd, carrel-broker and a stand-in for carrel-hostd in one folder, and a client of the API
"""Used by the drivers *_driver.py of this folder. Needs root: the broker and the host have uids of their own."""
import crypt
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
BROKER_UID, HOSTD_UID = 61100, 61101
SERVICE = "auth required pam_pwdfile.so nodelay pwdfile={pam}/passwd\naccount required pam_permit.so\n"


def check(what, holds, detail=""):
    if not holds:
        print(f"FAILED: {what}: {detail}")
        sys.exit(f"{what}: {detail}")
    print(f"ok: {what}", flush=True)


class Program:
    """A running program whose lines on standard error can be waited for."""

    def __init__(self, argv, uid=0):
        self.process = subprocess.Popen(argv, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, user=uid, group=uid,
                                        extra_groups=[])
        self.lines, self.over, self.news = [], False, threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            with self.news:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self.news.notify_all()
        with self.news:
            self.over = True
            self.news.notify_all()

    def wait_line(self, pattern, timeout=20):
        """The first line that matches; fails when the program ends or the time is over."""
        def found():
            return next((line for line in self.lines if re.search(pattern, line)), None)
        with self.news:
            self.news.wait_for(lambda: found() or self.over, timeout)
            line = found()
        if not line:
            sys.exit(f"no line '{pattern}' from {self.process.args[0]}; it said: {self.lines}")
        return line

    def end(self, number=signal.SIGTERM, timeout=20):
        """Sends a signal (0: none) and returns the exit status."""
        if number:
            self.process.send_signal(number)
        code = self.process.wait(timeout)
        self.reader.join(timeout)
        return code


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=90)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


def find_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Stage:
    def __init__(self, build, folder, service=SERVICE):
        self.build, self.folder, self.port = build, folder, find_port()
        self.programs, self.secrets = [], []
        os.chmod(folder, 0o755)
        for name, uid, mode in (("run", BROKER_UID, 0o755), ("lib", BROKER_UID, 0o700), ("pam", 0, 0o700)):
            path = os.path.join(folder, name)
            os.mkdir(path, mode)
            os.chown(path, uid, uid)
            setattr(self, name, path)
        self.config = self.write("carrel.conf", f"[broker]\nlisten = 127.0.0.1:{self.port}\nadmin_users = root, adm\n")
        self.write("pam/carrel", service.format(pam=self.pam))
        self.write("pam/passwd", "")
        self.socket = os.path.join(self.run, "broker.sock")

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def add_users(self, **passwords):
        self.secrets += [password for password in passwords.values() if len(password) > 8]
        with open(os.path.join(self.pam, "passwd"), "a", encoding="utf-8") as file:
            for user, password in passwords.items():
                file.write(f"{user}:{crypt.crypt(password, crypt.mksalt(crypt.METHOD_SHA256, rounds=1000))}\n")

    def place(self, program):
        """A copy that every user can reach: the build may be in a folder that is closed to them."""
        path = os.path.join(self.folder, os.path.basename(program))
        if not os.path.exists(path):
            shutil.copy(os.path.join(self.build, program), path)
        return path

    def start(self, argv, uid=0):
        program = Program(argv, uid)
        self.programs.append(program)
        return program

    def start_authd(self, *options, confdir=True):
        argv = [self.place("auth/carrel-authd"), "--run", self.run, "--broker-uid", str(BROKER_UID), "--service", "carrel"]
        program = self.start(argv + (["--confdir", self.pam] if confdir else []) + list(options))
        program.wait_line("waiting for log-ins")
        return program

    def broker_argv(self):
        return [self.place("broker/carrel-broker"), "--run", self.run, "--lib", self.lib, "--hostd-uid", str(HOSTD_UID),
                "--config", self.config]

    def start_broker(self, wait=True):
        program = self.start(self.broker_argv(), BROKER_UID)
        if wait:
            program.wait_line("serving https")
        return program

    def start_host(self):
        return self.start([sys.executable, "-B", f"{HERE}/stage_hostd.py", self.socket, "h1", str(HOSTD_UID)])

    def stop(self):
        for program in self.programs:
            if program.process.poll() is None:
                program.end(signal.SIGKILL)

    def call(self, method, path, body=None, token=None, local=False, headers=None, raw=None):
        """(status, parsed body or None, seconds are not measured here). 'local' speaks as root on broker.sock."""
        if local:
            connection = UnixConnection(self.socket)
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=90, context=context)
        head = dict(headers or {})
        if token:
            head["Authorization"] = "Bearer " + token
        data = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        connection.request(method, "/api/v1/" + path, data, head)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text else None

    def admin(self, method, path, body=None, **more):
        return self.call(method, path, body, local=True, **more)

    def login(self, user, *answers):
        """All the steps; the last answer of the broker and the prompts seen on the way."""
        prompts, left = [], list(answers)
        status, body = self.call("POST", "login", {"user": user})
        while status == 200 and body["state"] == "prompt":
            prompts += body["prompts"]
            asked = any(p["style"].startswith("echo") for p in body["prompts"])
            status, body = self.call("POST", "login/" + body["login"], {"answers": [left.pop(0)] if asked else []})
        return status, body, prompts

    def token(self, user, password):
        status, body, _ = self.login(user, password)
        check(f"'{user}' logs in", status == 200 and body["state"] == "done", (status, body))
        self.secrets.append(body["token"])
        return body["token"]

    def wait_for(self, what, method, path, holds, timeout=15, **more):
        """Asks until the answer is as wanted: states follow from the host's next report."""
        ended = threading.Event()
        timer = threading.Timer(timeout, ended.set)
        timer.start()
        while True:
            answer = self.call(method, path, **more)
            if holds(*answer):
                timer.cancel()
                print(f"ok: {what}", flush=True)
                return answer[1]
            if ended.wait(0.1):
                check(what, False, answer)


def stage_run(script, needs_pwdfile=True, **options):
    """Runs script(stage) with the build and the folder from the command line, and ends what it started."""
    if os.geteuid() != 0:
        print("root is needed: services have uids of their own")
        sys.exit(77)
    if needs_pwdfile and not any(os.path.exists(f"{folder}/pam_pwdfile.so") for folder in
                                 ("/lib/security", "/usr/lib/security", f"/lib/{os.uname().machine}-linux-gnu/security")):
        print("pam_pwdfile is not installed (libpam-pwdfile)")
        sys.exit(77)
    stage = Stage(sys.argv[1], sys.argv[2], **options)
    try:
        script(stage)
        stage.stop()
        lines = [line for program in stage.programs for line in program.lines]
        check("no secret in any log", not any(secret in line for secret in stage.secrets for line in lines), lines)
    finally:
        stage.stop()
        if sys.exc_info()[0]:
            for program in stage.programs:
                print("\n".join([program.process.args[0] + ":"] + program.lines[-20:]))
