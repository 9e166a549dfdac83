# SPDX-License-Identifier: GPL-3.0-or-later
# broker_restart_driver.py - test-broker-restart.sh: broker_restart_driver.py BUILD FOLDER
import os
import signal
import sqlite3
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from api_stage import check, stage_run  # noqa: E402


def assign(stage, token, key=None, pool="p"):
    headers = {"Idempotency-Key": key} if key else {}
    return stage.call("POST", f"pools/{pool}/assign", {"locale": "C.UTF-8"}, token=token, headers=headers)


def wait_assigned(stage, session, token):
    stage.wait_for("the user is logged in inside", "GET", "sessions/" + session,
                   lambda status, body: body["state"] == "assigned", token=token)


def wait_ready(stage, count, pool="p"):
    stage.wait_for(f"{count} desktops of '{pool}' are ready", "GET", "pools/" + pool,
                   lambda status, body: body["ready"] == count, local=True)


def one_desktop_each(stage, ada, bob):
    first = assign(stage, ada, "k1")
    check("'logging-in' until the host says that it is done", first[0] == 201 and first[1]["state"] == "logging-in", first)
    wait_assigned(stage, first[1]["session"], ada)
    again = assign(stage, ada, "k1")
    check("the same key gives the same session", again[0] == 200 and again[1]["session"] == first[1]["session"], again)
    other = assign(stage, ada, "k2")
    check("another key, too, while it is open", other[0] == 200 and other[1]["session"] == first[1]["session"], other)
    second = assign(stage, bob)
    check("another user gets another desktop", second[0] == 201 and second[1]["desktop"] != first[1]["desktop"], second)
    wait_assigned(stage, second[1]["session"], bob)  # from here on nothing changes by itself
    return first[1], second[1]


def nothing_is_lost(stage, broker, host, ada, session):
    before = stage.admin("GET", "sessions")[1]
    broker.end(signal.SIGKILL)
    broker = stage.start_broker()
    after = stage.admin("GET", "sessions")[1]
    check("kill -9 lost no session", after == before, (before, after))
    host.end(0, 30)
    status, body = assign(stage, ada, "k1")
    check("nor the key, nor the token", status == 200 and body["session"] == session["session"], (status, body))
    status, body = stage.call("POST", f"sessions/{session['session']}/ticket", {"protocol": "spice"}, token=ada)
    check("nor what the host needs for a ticket", status == 503 and body["code"] == "ticket.timeout", (status, body))
    return broker


def host_comes_back(stage, ada):
    """The stand-in has forgotten its desktops: sessions on them end, free ones are made again."""
    host = stage.start_host()
    stage.wait_for("a session whose desktop is lost is closed", "GET", "sessions",
                   lambda status, body: all(s["state"] == "closed" for s in body["sessions"]), local=True)
    wait_ready(stage, 3)
    status, body = assign(stage, ada, "k1")
    check("its key does not open it again", status == 200 and body["state"] == "closed", (status, body))
    return host


def tickets(stage, ada, bob):
    session = assign(stage, ada)[1]["session"]
    path = f"sessions/{session}/ticket"
    status, body = stage.call("POST", path, {"protocol": "spice"}, token=ada)
    check("a ticket right after the assignment waits for the log-in inside", status == 200, (status, body))
    check("its secrets differ", body["vv"]["host"] != body["vv"]["password"])
    stage.secrets += [body["vv"]["host"], body["vv"]["password"]]
    check("the host had logged the user in before",
          stage.call("GET", "sessions/" + session, token=ada)[1]["state"] == "assigned")
    for what, token, local in (("another user's", bob, False), ("an admin's", None, True)):
        status, body = stage.call("POST", path, {"protocol": "spice"}, token=token, local=local)
        check(f"{what} ticket is refused", (status, body["code"]) == (404, "session.unknown"), (status, body))
    for method, path in (("GET", ""), ("GET", "/timing"), ("DELETE", "")):
        status, body = stage.call(method, f"sessions/{session}{path}", token=bob)
        check(f"another user may not {method} it{path}", (status, body["code"]) == (404, "session.unknown"), (status, body))
    steps = [s["step"] for s in stage.call("GET", f"sessions/{session}/timing", token=ada)[1]["steps"]]
    check("its timing has all steps so far", steps == ["authenticate", "assign", "fork", "identify", "log in"], steps)
    return session


def revoke(stage, ada, session):
    status, body = stage.call("DELETE", "sessions/" + session, token=ada)
    check("a user ends the own session", status == 204, (status, body))
    status, body = stage.call("DELETE", "sessions/" + session, token=ada)
    check("ending it twice changes nothing", status == 204, (status, body))
    status, body = stage.call("POST", f"sessions/{session}/ticket", {"protocol": "spice"}, token=ada)
    check("an ended session has no tickets", (status, body["code"]) == (404, "session.unknown"), (status, body))
    wait_ready(stage, 3)
    again = assign(stage, ada)
    check("the next desktop is a fresh one", again[0] == 201, again)
    status, body = stage.admin("DELETE", "pools/p")
    check("a pool in use is kept", (status, body["code"]) == (409, "pool.busy"), (status, body))
    status, body = stage.admin("POST", "sessions/revoke", {"user": "ada"})
    check("an operator revokes a user", (status, body) == (200, {"revoked": 1}), (status, body))
    check("and the user's tokens", stage.call("GET", "me", token=ada)[0] == 401)
    wait_ready(stage, 3)


def revoke_all(stage):
    tokens = [stage.token("ada", "a"), stage.token("bob", "b")]
    for token in tokens:
        check("assigned", assign(stage, token)[0] == 201)
    status, body = stage.admin("POST", "sessions/revoke", {"all": True})
    check("all are revoked", (status, body) == (200, {"revoked": 2}), (status, body))
    check("and all tokens", [stage.call("GET", "me", token=token)[0] for token in tokens] == [401, 401])


def pool_changes(stage, ada):
    wait_ready(stage, 3)
    old = {d["id"] for d in stage.admin("GET", "desktops")[1]["desktops"] if d["want"] == "ready"}
    status, body = stage.admin("PATCH", "pools/p", {"network": "passt", "size": 2})
    check("a pool is changed", status == 200 and body["size"] == 2 and body["network"] == "passt", (status, body))
    wait_ready(stage, 2)
    stage.wait_for("its free desktops are made anew", "GET", "desktops",
                   lambda status, body: not old & {d["id"] for d in body["desktops"] if d["want"] == "ready"}, local=True)
    results = [assign(stage, ada), assign(stage, stage.token("bob", "b"))]
    check("both desktops are taken", [r[0] for r in results] == [201, 201], results)
    status, body = assign(stage, stage.token("eve", "e"))
    check("an empty pool says so", (status, body["code"]) == (409, "pool.empty") and "try again" in body["title"], (status, body))
    stage.admin("POST", "sessions/revoke", {"all": True})
    status, body = stage.admin("DELETE", "pools/p")
    check("a pool that nobody uses is deleted", status == 204, (status, body))
    stage.wait_for("with its desktops", "GET", "desktops", lambda status, body: not body["desktops"], local=True)


def tokens_expire(stage, broker):
    token = stage.token("ada", "a")
    broker.end(signal.SIGKILL)
    with sqlite3.connect(os.path.join(stage.lib, "broker/carrel.db")) as database:
        database.execute("UPDATE token SET expires_ms = ?", (int(time.time() * 1000) - 1,))
    database.close()
    os.system(f"chown -R --reference={stage.lib} {stage.lib}/broker")
    stage.start_broker()
    status, body = stage.call("GET", "me", token=token)
    check("an expired token says: log in", (status, body["code"]) == (401, "token.invalid") and "log in" in body["title"],
          (status, body))


def main(stage):
    stage.add_users(ada="a", bob="b", eve="e")
    stage.start_authd()
    broker = stage.start_broker()
    host = stage.start_host()
    stage.wait_for("the host is known", "GET", "hosts", lambda status, body: body["hosts"], local=True)
    status, body = stage.admin("POST", "pools", {"name": "p", "template": "t", "size": 3, "users": ["*"]})
    check("a pool is made", status == 201, (status, body))
    wait_ready(stage, 3)
    ada, bob = stage.token("ada", "a"), stage.token("bob", "b")
    session, _ = one_desktop_each(stage, ada, bob)
    broker = nothing_is_lost(stage, broker, host, ada, session)
    host_comes_back(stage, ada)
    revoke(stage, ada, tickets(stage, ada, bob))
    revoke_all(stage)
    pool_changes(stage, stage.token("ada", "a"))
    tokens_expire(stage, broker)


stage_run(main)
