# SPDX-License-Identifier: GPL-3.0-or-later
#
# stage_hostd.py - fake_hostd.py as api_stage.py starts it: stage_hostd.py BROKER_SOCKET HOST UID
"""Changes its uid by itself, once its modules are loaded: another user may not be able to read this Python. Each start is a
new instance, as with the real one."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fake_hostd  # noqa: E402


class Host(fake_hostd.Host):
    def report(self):
        return dict(super().report(), instance=f"fake-{os.getpid()}")


uid = int(sys.argv.pop())
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
fake_hostd.Host = Host
fake_hostd.main()
