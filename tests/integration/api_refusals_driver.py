# SPDX-License-Identifier: GPL-3.0-or-later
# api_refusals_driver.py - test-api-refusals.sh: api_refusals_driver.py BUILD FOLDER
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from api_stage import BROKER_UID, check, find_port, stage_run  # noqa: E402

os.environ["FAKE_HOSTD_NETWORKS"] = "none"  # the host of this stage has no passt
POOL = {"name": "p", "template": "t", "size": 2, "users": ["ada"]}
MAX_BODY = 64 * 1024

# method, path, body (bytes: as they are), headers, status, code, what the text must say
REFUSALS = [
    ("POST", "pools", b'{"name":"a"', {}, 400, "request.json", "not valid JSON"),
    ("POST", "pools", b'{"name":"a","name":"b"}', {}, 400, "request.json", "duplicate"),
    ("POST", "pools", b'{"name":"a\\u0000b"}', {}, 400, "request.json", "u0000"),
    ("POST", "pools", b'{"name":' + b"[" * 17 + b"]" * 17 + b"}", {}, 400, "request.json", "deeper than 16"),
    ("POST", "pools", b'{"name":"\xff"}', {}, 400, "request.json", "decode"),
    ("POST", "pools", b" " * (MAX_BODY + 1), {}, 413, "request.too-large", str(MAX_BODY)),
    ("POST", "pools", b" " * (40 * MAX_BODY), {}, 413, "request.too-large", str(MAX_BODY)),
    ("POST", "pools", [], {}, 400, "request.body", "JSON object"),
    ("POST", "pools", dict(POOL, siez=1), {}, 400, "request.body", "unknown key 'siez'"),
    ("POST", "pools", dict(POOL, size="2"), {}, 400, "request.body", "'size'"),
    ("POST", "pools", dict(POOL, size=-1), {}, 400, "request.body", "0 to 10000"),
    ("POST", "pools", {"name": "p"}, {}, 400, "request.body", "missing"),
    ("GET", "pools", b"[1]", {}, 400, "request.body", "no body"),
    ("GET", "pools", {"a": 1}, {}, 400, "request.body", "no body"),
    ("POST", "pools", dict(POOL, name="../p"), {}, 400, "pool.name", "letters"),
    ("POST", "pools", dict(POOL, template="../t"), {}, 400, "template.name", "debian-openbox@3"),
    ("POST", "pools", dict(POOL, template="a/b"), {}, 400, "template.name", "debian-openbox@3"),
    ("POST", "pools", dict(POOL, template="nix"), {}, 409, "template.unknown", "carrel template publish"),
    ("POST", "pools", dict(POOL, template="t@7"), {}, 409, "template.unknown", "carrel template publish"),
    ("POST", "pools", dict(POOL, groups=["*"]), {}, 400, "pool.users", "'groups'"),
    ("POST", "pools", dict(POOL, users=["A B"]), {}, 400, "pool.users", "names"),
    ("POST", "pools", dict(POOL, network="bridge"), {}, 400, "pool.network", "none or passt"),
    ("POST", "pools", dict(POOL, policy="keep"), {}, 400, "pool.policy", "destroy-on-logoff"),
    ("POST", "pools", dict(POOL, network="passt"), {}, 409, "pool.network-unavailable", "install passt"),
    ("PATCH", "pools/held", {"network": "passt"}, {}, 409, "pool.network-unavailable", "install passt"),
    ("POST", "pools", dict(POOL, size=2000), {}, 409, "pool.too-large", "choose a size of at most 70"),
    ("PATCH", "pools/held", {"size": 2000}, {}, 409, "pool.too-large", "choose a size of at most 70"),
    ("PATCH", "pools/held", {"name": "q"}, {}, 400, "request.body", "unknown key 'name'"),
    ("PATCH", "pools/none", {"size": 1}, {}, 404, "pool.unknown", "'none'"),
    ("DELETE", "pools/none", None, {}, 404, "pool.unknown", "'none'"),
    ("POST", "pools", dict(POOL, name="held"), {}, 409, "pool.exists", "PATCH"),
    ("POST", "pools/held/assign", {}, {}, 403, "pool.forbidden", "'root'"),
    ("POST", "pools/held/assign", {}, {"Idempotency-Key": ""}, 400, "request.key", "128"),
    ("POST", "pools/held/assign", {}, {"Idempotency-Key": "k" * 129}, 400, "request.key", "128"),
    ("POST", "templates/../build", {}, {}, 400, "template.name", "letters"),
    ("POST", "templates/%2e%2e/publish", {}, {}, 400, "template.name", "letters"),
    ("POST", "templates/a%2fb/publish", {}, {}, 404, "request.path", "no such path"),
    ("POST", "templates/t/build", {"recipe": "../x"}, {}, 400, "template.name", "letters"),
    ("POST", "templates/t/publish", {"image": "/etc"}, {}, 400, "template.name", "letters"),
    ("POST", "templates/t/publish", {"image": "nix"}, {}, 409, "image.unknown", "carrel template build"),
    ("POST", "templates/t/publish", {"engine": "xen"}, {}, 400, "template.engine", "qemu or kvm"),
    ("POST", "templates/t/verify", {"version": 0}, {}, 400, "request.body", "1 to 999999999"),
    ("POST", "templates/t/verify", {"version": 7}, {}, 404, "template.unknown", "'t@7' (carrel template list)"),
    ("POST", "templates/nix/verify", {}, {}, 404, "template.unknown", "'nix'"),
    ("POST", "templates/../verify", {}, {}, 404, "template.unknown", "'..'"),
    ("GET", "jobs/j-none", None, {}, 404, "job.unknown", "'j-none'"),
    ("DELETE", "jobs/j-none", None, {}, 404, "job.unknown", "carrel job list"),
    ("GET", "desktops/d-none", None, {}, 404, "desktop.unknown", "'d-none'"),
    ("PATCH", "hosts/none", {"drain": True}, {}, 404, "host.unknown", "carrel host list"),
    ("GET", "sessions/s-none", None, {}, 404, "session.unknown", "'s-none'"),
    ("POST", "sessions/s-none/ticket", {"protocol": "rdp"}, {}, 400, "ticket.protocol", "spice or vnc"),
    ("POST", "sessions/s-none/ticket", {"protocol": "spice"}, {}, 404, "session.unknown", ""),
    ("POST", "sessions/revoke", {}, {}, 400, "request.body", "either"),
    ("POST", "sessions/revoke", {"user": "ada", "all": True}, {}, 400, "request.body", "either"),
    ("GET", "nothing", None, {}, 404, "request.path", ""),
    ("GET", "pools/", None, {}, 404, "request.path", ""),
    ("DELETE", "server", None, {}, 405, "request.method", "DELETE"),
    ("POST", "hosts/h1/sync", {}, {}, 403, "role.missing", "'root'"),
    ("POST", "login", {"user": "Ada Lovelace"}, {}, 400, "login.name", "lower-case"),
    ("POST", "login/l-none", {"answers": ["x"]}, {}, 404, "login.unknown", "begin again"),
    ("POST", "login/l-none", {"answers": ["x", "y"]}, {}, 400, "request.body", "'answers'"),
]


def refuse_bodies(stage):
    for method, path, body, headers, status, code, text in REFUSALS:
        raw = body if isinstance(body, bytes) else None
        got, answer = stage.admin(method, path, None if raw is not None else body, raw=raw, headers=headers)
        seen = (answer or {}).get("code"), (answer or {}).get("title", "")
        check(f"{method} {path[:40]} {str(body)[:40]} is refused with {status} {code}",
              got == status and seen[0] == code and text in seen[1], (got, answer))


def refuse_strangers(stage):
    for header in (None, "Bearer", "Bearer ", "Bearer x", "Bearer " + "a" * 52, "Bearer " + "A" * 9000, "Basic cm9vdDo="):
        status, answer = stage.call("GET", "pools", headers={"Authorization": header} if header else {})
        check(f"'{str(header)[:20]}' lets nobody in", (status, answer["code"]) == (401, "token.invalid"), (status, answer))
    token = stage.token("ada", "a-password-of-ada")
    for method, path in (("GET", "hosts"), ("GET", "desktops"), ("POST", "pools"), ("DELETE", "pools/held"),
                         ("GET", "jobs"), ("POST", "templates/t/build"), ("POST", "templates/t/verify"),
                         ("POST", "hosts/h1/sync")):
        status, answer = stage.call(method, path, token=token)
        check(f"a user may not {method} {path}", (status, answer["code"]) == (403, "role.missing"), (status, answer))
    status, answer = stage.call("POST", "sessions/revoke", {"all": True}, token=token)
    check("a user revokes nobody else", (status, answer["code"]) == (403, "role.missing"), (status, answer))
    status, _ = stage.call("POST", "logout", token=token)
    check("logged out", status == 204, status)
    status, answer = stage.call("GET", "me", token=token)
    check("the token is over after the log-out", status == 401, (status, answer))


def refuse_second_broker(stage):
    second = stage.start(stage.broker_argv(), BROKER_UID)
    code = second.end(0)
    check("a second broker on the same folder says so and ends with 1",
          code == 1 and "another carrel-broker uses it" in second.lines[-1], (code, second.lines))
    argv = stage.broker_argv()
    for index, name in ((2, "run2"), (4, "lib2")):
        argv[index] = os.path.join(stage.folder, name)
        os.mkdir(argv[index])
        os.chown(argv[index], BROKER_UID, BROKER_UID)
    third = stage.start(argv, BROKER_UID)
    code = third.end(0)
    check("a taken port: which, whom to ask, what to set, and status 1",
          code == 1 and re.search(rf"127.0.0.1:{stage.port}.*ss -ltnp.*'listen' in \[broker\]", third.lines[-1]),
          (code, third.lines))


def start_with(stage, name, **options):
    """A broker with a folder of its own, in which write(lib) and config say what is wrong; its last line and status."""
    argv = stage.broker_argv()
    for index, kind in ((2, "run"), (4, "lib")):
        argv[index] = os.path.join(stage.folder, f"{kind}-{name}")
        os.mkdir(argv[index])
        os.chown(argv[index], BROKER_UID, BROKER_UID)
    argv[8] = stage.write(f"{name}.conf", options.get("config", f"[broker]\nlisten = 127.0.0.1:{find_port()}\n"))
    if "file" in options:
        os.mkdir(argv[4] + "/broker")
        for file in options["file"]:
            stage.write(os.path.join(argv[4], "broker", file), "x" * 5000)
        for path in [argv[4] + "/broker"] + [os.path.join(argv[4], "broker", file) for file in options["file"]]:
            os.chown(path, BROKER_UID, BROKER_UID)
    if options.get("closed"):
        os.chown(argv[4], 0, 0)
    program = stage.start(argv, BROKER_UID)
    return program.end(0), program.lines[-1]


def refuse_to_start(stage):
    for name, say, options in (
            ("key", r"key.conf:2: unknown key 'lisen'", {"config": "[broker]\nlisen = x\n"}),
            ("address", r"'listen' in \[broker\] is 'example.com:8443'", {"config": "[broker]\nlisten = example.com:8443\n"}),
            ("foreign", r"to an address of this host", {"config": "[broker]\nlisten = 192.0.2.1:8443\n"}),
            ("damaged", r"carrel.db' is damaged .* Put a backup", {"file": ["carrel.db"]}),
            ("cert", r"tls.crt' is no certificate .* to have new ones made", {"file": ["tls.crt", "tls.key"]}),
            ("half", r"tls.key'.*put it back", {"file": ["tls.crt"]}),
            ("closed", r"must exist and belong to carrel-broker's user", {"closed": True})):
        code, line = start_with(stage, name, **options)
        check(f"a start with wrong '{name}' ends with 1 and says what to do", code == 1 and re.search(say, line), (code, line))
    authd = stage.start([stage.place("auth/carrel-authd"), "--run", stage.run, "--broker-uid", str(BROKER_UID),
                         "--service", "carrel"], BROKER_UID)
    check("authd wants root", authd.end(0) == 1 and "must be started as root" in authd.lines[-1], authd.lines)


def main(stage):
    stage.add_users(ada="a-password-of-ada")
    stage.start_authd()
    broker = stage.start_broker()
    stage.start_host()
    stage.wait_for("the host is known", "GET", "hosts", lambda status, body: body["hosts"], local=True)
    status, answer = stage.admin("POST", "pools", {"name": "held", "template": "t", "size": 0})
    check("a pool that fits is made", status == 201, (status, answer))
    refuse_bodies(stage)
    refuse_strangers(stage)
    refuse_second_broker(stage)
    refuse_to_start(stage)
    status, answer = stage.admin("PATCH", "pools/held", {"size": 2, "users": ["ada"]})
    check("after all that it still works", status == 200 and answer["size"] == 2, (status, answer))
    check("the broker ends with 0", broker.end() == 0, broker.lines)
    check("no error in its log", not any("error:" in line for line in broker.lines), broker.lines)


stage_run(main)
