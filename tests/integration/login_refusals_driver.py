# SPDX-License-Identifier: GPL-3.0-or-later
# login_refusals_driver.py - test-login-refusals.sh: login_refusals_driver.py BUILD FOLDER
import concurrent.futures
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from api_stage import check, stage_run  # noqa: E402

# A user named in such a file gets the line below it.
ACCOUNT = """account [success=1 default=ignore] pam_listfile.so item=user sense=deny file={{pam}}/{0} onerr=fail
account {1}
"""
SERVICE = "auth required pam_pwdfile.so nodelay pwdfile={pam}/passwd\n" + "".join(ACCOUNT.format(*pair) for pair in (
    ("erin", "requisite pam_debug.so acct=acct_expired"),
    ("lars", "requisite pam_debug.so acct=perm_denied"),
    ("nora", "requisite pam_debug.so acct=new_authtok_reqd"),
    ("ines", "optional pam_echo.so file={{pam}}/motd"))).replace("{{pam}}", "{pam}") + (
    "account required pam_permit.so\npassword required pam_debug.so prechauthtok=success chauthtok=authtok_err\n")
USERS = ("ada", "erin", "lars", "nora", "ines")
DENIED, EXPIRED, LOCKED = "login.denied", "login.expired", "login.locked"
# user, answers, code of the refusal or None, prompt that must have been seen
CASES = [
    ("ada", ["ada"], None, "Password: "),
    ("", ["ada", "ada"], None, "login:"),
    ("ines", ["ines"], None, "Maintenance at six"),
    ("erin", ["erin"], EXPIRED, "Password: "),
    ("nora", ["nora"], EXPIRED, "Password: "),
    ("lars", ["lars"], LOCKED, "Password: "),
    ("erin", ["x"], DENIED, None),
    ("lars", ["x"], DENIED, None),
    ("", ["nobody-here", "x"], DENIED, None),
]


def timed(stage, user, answers):
    begun = time.monotonic()
    status, body, prompts = stage.login(user, *answers)
    return status, body, [p["text"] for p in prompts], time.monotonic() - begun


def answers_by_pam_code(stage, pool):
    results = pool.map(lambda case: timed(stage, case[0], case[1]), CASES)
    for (user, answers, code, prompt), (status, body, prompts, _) in zip(CASES, results):
        wanted = (200, None) if code is None else (401, code)
        check(f"'{user}' with {answers} gets {wanted}", (status, body.get("code")) == wanted, (status, body))
        check("what PAM says is carried to the client", prompt is None or prompt in prompts, prompts)
        if code == DENIED:
            check("who gives a wrong password is told nothing of the account", "acct" not in str(prompts), prompts)


def same_answer_same_time(stage, pool):
    wrong = pool.map(lambda _: timed(stage, "ada", ["x"]), range(5))
    unknown = pool.map(lambda n: timed(stage, f"nobody-{n}", ["x"]), range(5))
    wrong, unknown = list(wrong), list(unknown)
    check("a wrong password and an unknown user get the same answer", len({str(r[:3]) for r in wrong + unknown}) == 1,
          (wrong[0], unknown[0]))
    means = [statistics.mean(r[3] for r in results) for results in (wrong, unknown)]
    check("and take the same time", min(means) >= 2 and abs(means[0] - means[1]) < 0.5, means)


def bad_answers(stage):
    status, body = stage.call("POST", "login", {"user": "ada"})
    path = "login/" + body["login"]
    for answers in ([], [1], ["x" * 512], ["é" * 300], [None], [["ada"]]):
        status, body = stage.call("POST", path, {"answers": answers})
        check(f"{str(answers)[:20]} is no answer", (status, body["code"]) == (400, "login.answer"), (status, body))
    status, body = stage.call("POST", path, {"answers": ["ada"]}, local=True)
    check("another address cannot go on with it", (status, body["code"]) == (404, "login.unknown"), (status, body))
    status, body = stage.call("POST", path, {"answers": ["ada"]})
    check("the right one still gets in", status == 200 and body["state"] == "done", (status, body))
    status, body = stage.call("POST", path, {"answers": ["ada"]})
    check("and only once", (status, body["code"]) == (404, "login.unknown"), (status, body))


def guessing_is_slowed_down(stage, pool):
    results = list(pool.map(lambda _: timed(stage, "victim", ["x"]), range(10)))
    check("ten guesses are tried", all(r[0] == 401 for r in results), results[0])
    status, body = stage.call("POST", "login", {"user": "victim"})
    check("the eleventh has to wait", (status, body["code"]) == (429, "login.limited") and "try again in" in body["title"],
          (status, body))
    check("others of that address do not", stage.login("ada", "ada")[0] == 200)


def unavailable(stage, authd, what, say):
    status, body, _ = stage.login("ada", "ada")
    check(f"{what}: nobody gets in", (status, body["code"]) == (503, "login.unavailable"), (status, body))
    check("the log of authd says what to look at", any(say in line for line in authd.lines), authd.lines)


def broken_services(stage, authd):
    authd.end()
    status, body = stage.call("POST", "login", {"user": "ada"})
    check("without authd nobody gets in", (status, body["code"]) == (503, "login.unavailable"), (status, body))
    unavailable(stage, stage.start_authd(confdir=False), "no service in the system's folder, though it has 'other'",
                "'/etc/pam.d/carrel'") if not os.path.exists("/etc/pam.d/carrel") else None
    path = os.path.join(stage.pam, "carrel")
    for what, text, say in (("missing module", "auth required pam_nix.so\n", "Module is unknown"),
                            ("unreadable passwords", "auth required pam_pwdfile.so pwdfile=/none\n", "cannot retrieve"),
                            ("missing service", None, "the service has no file")):
        os.unlink(path) if text is None else stage.write("pam/carrel", text + "account required pam_permit.so\n")
        unavailable(stage, stage.start_authd(), what, say)


def ends_with_a_login_under_way(stage, broker):
    stage.write("pam/carrel", SERVICE.format(pam=stage.pam))
    authd = stage.start_authd()
    check("only the broker's user may open auth.sock", os.stat(stage.run + "/auth.sock").st_mode & 0o777 == 0o600)
    status, body = stage.call("POST", "login", {"user": "ada"})
    check("a log-in has begun", status == 200, (status, body))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(stage.call, "POST", "login/" + body["login"], {"answers": ["x"]})
        authd.wait_line("login of 'ada' .* refused")    # which the broker hears two seconds later
        check("SIGTERM ends the broker with 0", broker.end() == 0, broker.lines)
        status, body = answer.result()
        check("and who waits gets an answer", (status, body["code"]) == (503, "login.unavailable"), (status, body))


def main(stage):
    for user in USERS[1:]:
        stage.write("pam/" + user, user + "\n")
    stage.write("pam/motd", "Maintenance at six\n")
    stage.add_users(**{user: user for user in USERS})
    authd = stage.start_authd()
    broker = stage.start_broker()
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers_by_pam_code(stage, pool)
        same_answer_same_time(stage, pool)
        bad_answers(stage)
        guessing_is_slowed_down(stage, pool)
    broken_services(stage, authd)
    ends_with_a_login_under_way(stage, broker)


stage_run(main, service=SERVICE)
