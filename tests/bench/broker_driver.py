# SPDX-License-Identifier: GPL-3.0-or-later
#
# broker_driver.py - bench-broker.sh: broker_driver.py BUILD FOLDER RUNS SAMPLES
"""
The broker and authd are real, with a connection over TLS for each request, as any client's; the host is a stand-in that says
yes at once. Passwords are hashed as the product's are (yescrypt).

logins_per_second: WORKERS clients at once, LOGINS log-ins in all, PAM included. login_ms: one client alone.
assign_p99_ms: POST assign of another user for each free desktop of a pool, one after the other.
"""
import concurrent.futures
import crypt
import os
import secrets
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
from api_stage import stage_run  # noqa: E402

WORKERS = 4
LOGINS = 20
DESKTOPS = 10


def need(answer, what, *wanted):
    if answer[0] not in wanted:
        sys.exit(f"{what}: {answer}")
    return answer[1]


def add_user(stage, number):
    """(name, password)"""
    name, password = f"user{number}", secrets.token_hex(8)
    hashed = crypt.crypt(password, "$y$j9T$" + secrets.token_hex(8) + "$")
    with open(os.path.join(stage.pam, "passwd"), "a", encoding="utf-8") as file:
        file.write(f"{name}:{hashed}\n")
    return name, password


def log_in(stage, user):
    """The token, and the milliseconds that it took."""
    started = time.monotonic()
    status, body, _ = stage.login(*user)
    took_ms = (time.monotonic() - started) * 1000
    if status != 200 or body["state"] != "done":
        sys.exit(f"'{user[0]}' cannot log in: {status}")
    return body["token"], took_ms


def measure_rate(stage, users):
    """Log-ins a second, and a token of each user."""
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        tokens = list(pool.map(lambda i: log_in(stage, users[i % len(users)])[0], range(LOGINS)))
    return LOGINS / (time.monotonic() - started), tokens[:len(users)]


def assign(stage, token):
    started = time.monotonic()
    need(stage.call("POST", "pools/p/assign", {"locale": "C.UTF-8"}, token=token), "assign", 201)
    return (time.monotonic() - started) * 1000


def wait_ready(stage):
    stage.wait_for(f"{DESKTOPS} desktops are free", "GET", "pools/p", lambda status, body: body["ready"] == DESKTOPS,
                   timeout=60, local=True)


def measure(stage, runs, samples):
    users = [add_user(stage, i) for i in range(DESKTOPS)]
    stage.start_authd()
    stage.start_broker()
    stage.start_host()
    stage.wait_for("the host is there", "GET", "hosts", lambda status, body: body["hosts"], local=True)
    need(stage.admin("POST", "pools", {"name": "p", "template": "t", "size": DESKTOPS, "users": ["*"]}), "pool", 201)
    for _ in range(runs):
        samples.write(f"login_ms\tms\t{log_in(stage, users[0])[1]:.1f}\n")
        rate, tokens = measure_rate(stage, users)
        stage.secrets += tokens
        samples.write(f"logins_per_second\t1/s\t{rate:.2f}\n")
        wait_ready(stage)
        samples.writelines(f"assign_p99_ms\tms\t{assign(stage, token):.2f}\n" for token in tokens)
        # it ends their tokens, too
        need(stage.admin("POST", "sessions/revoke", {"all": True}), "revoke", 200, 204)


def main():
    runs, path = int(sys.argv[3]), sys.argv[4]
    with open(path, "w", encoding="utf-8") as samples:
        stage_run(lambda stage: measure(stage, runs, samples))


if __name__ == "__main__":
    main()
