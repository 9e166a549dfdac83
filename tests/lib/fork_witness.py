# SPDX-License-Identifier: GPL-3.0-or-later
# fork_witness.py - what the witness in forks of the tiny guest has seen (tests/recipes/tiny/tiny_witness.c)
"""
fork_witness.py read FOLDER...: prints a line of JSON for each desktop's folder of sockets, with the time of reading
fork_witness.py judge FILE COUNT SEALED_US VMGENID: are so many lines all different where they have to be? Exits 1 and says
what is not. VMGENID is true or false: have their kernels a driver for the generation id?
"""
import json
import os
import socket
import sys
import time

TIMEOUT_S = 120
MAX_LINE = 64 * 1024


def read(folder):
    """The one line that is written to a desktop's vdagent port."""
    data = b""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(TIMEOUT_S)
        sock.connect(os.path.join(folder, "vdagent"))
        while not data.endswith(b"\n"):
            more = sock.recv(MAX_LINE)
            if not more or len(data) > MAX_LINE:
                raise EOFError(f"'{folder}' tells no line: {data[:200]!r}")
            data += more
    if not data.startswith(b"{"):
        raise ValueError(data.decode(errors="replace"))
    return dict(json.loads(data), desktop=os.path.basename(folder), read_us=time.time_ns() // 1000)


def judge_values(forks):
    """Each value was the same before, for it was the template's, and is nobody else's after, nor the template's."""
    for name in forks[0]["before"]:
        before = {fork["before"][name] for fork in forks}
        after = [fork["after"][name] for fork in forks]
        if len(before) != 1:
            yield f"{name}: they are no forks of one template: {sorted(before)[:3]}"
        elif "" in after:
            yield f"{name}: the guest has none"
        elif len(set(after) | before) != len(after) + 1:
            common = max(after, key=after.count)
            yield f"{name}: {len(after)} forks have {len(set(after))} different ones; {after.count(common)} have {common[:80]}"


def judge_clocks(fork, sealed_us):
    """A clock that jumped made up for the time since the seal: half of that is further than any clock may be off."""
    clocks = fork["clocks"]
    limit_us = (fork["read_us"] - sealed_us) // 2
    shift_us = clocks["offset_us"][1] - clocks["offset_us"][0]
    if clocks["backward"]:
        yield f"{fork['desktop']}: CLOCK_MONOTONIC went backward {clocks['backward']} times"
    if clocks["max_gap_us"] >= limit_us:
        yield f"{fork['desktop']}: CLOCK_MONOTONIC jumped by {clocks['max_gap_us']} us, sealed {2 * limit_us} us ago"
    if abs(shift_us) >= limit_us:
        yield f"{fork['desktop']}: CLOCK_BOOTTIME moved away from CLOCK_MONOTONIC by {shift_us} us"
    if abs(fork["read_us"] - clocks["real_us"]) >= limit_us:
        yield f"{fork['desktop']}: its wall clock says {clocks['real_us']} us, it is {fork['read_us']} us"


def judge(path, count, sealed_us, vmgenid):
    """All that is wrong with them. The clocks of the first half prove little: they were forked soon after the seal."""
    with open(path, encoding="ascii") as file:
        forks = [json.loads(line) for line in file]
    if len(forks) != count:
        yield f"{len(forks)} forks were heard, not {count}"
    else:
        if {fork["vmgenid"] for fork in forks} != {vmgenid}:
            yield f"the driver for the generation id: {vmgenid} was expected"
        yield from judge_values(forks)
        for fork in forks[count // 2:]:
            yield from judge_clocks(fork, sealed_us)


def main(verb, *arguments):
    """See above."""
    if verb == "read":
        for folder in arguments:
            print(json.dumps(read(folder)), flush=True)
        return 0
    faults = list(judge(arguments[0], int(arguments[1]), int(arguments[2]), arguments[3] == "true"))
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
