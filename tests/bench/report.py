#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# report.py - from samples to build/bench/NAME.json, and from all of these to docs/PERFORMANCE.md
"""
report.py record NAME ENGINE SAMPLES   writes NAME.json (SAMPLES: lines "figure<TAB>unit<TAB>value", or with "<TAB>RIVAL" the
                                       same of another program in the same run) and prints its table
report.py publish                      puts the figures of all NAME.json into docs/PERFORMANCE.md, between its two marks; what
                                       it holds of other benches stays

CARREL_BUILD_DIR is the build whose folder bench/ they are in.
"""
import glob
import json
import math
import os
import platform
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(os.environ.get("CARREL_BUILD_DIR") or os.path.join(ROOT, "build"), "bench")
PAGE = os.path.join(ROOT, "docs", "PERFORMANCE.md")
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"


def find_commit():
    try:
        run = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty", "--exclude=*"], check=True,
                             capture_output=True, text=True)
        return run.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def read_field(path, name):
    """The value of the first line "name : value"; "" when there is none."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    return ""


def describe_machine():
    gib = int(read_field("/proc/meminfo", "MemTotal").split()[0]) / (1 << 20)
    flags = read_field("/proc/cpuinfo", "flags").split()
    virtual = "with" if {"vmx", "svm"} & set(flags) else "without"
    return (f"{read_field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores, {gib:.0f} GiB, Linux "
            f"{platform.release()}, {virtual} hardware virtualization")


def find_p99(samples):
    """The smallest sample that is not less than 99 % of them."""
    return sorted(samples)[math.ceil(0.99 * len(samples)) - 1]


def read_samples(path):
    figures = {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            fields = line.rstrip("\n").split("\t")
            if len(fields) not in (3, 4) or not math.isfinite(float(fields[2])):
                sys.exit(f"report: '{path}' line {number}: not 'figure<TAB>unit<TAB>value': {line!r}")
            name, unit, value = fields[:3]
            figure = figures.setdefault(name, {"name": name, "unit": unit, "samples": []})
            if len(fields) == 4:
                figure["rival"] = fields[3]
            figure.setdefault("rival_samples" if len(fields) == 4 else "samples", []).append(float(value))
    if not figures:
        sys.exit(f"report: '{path}' holds no sample: nothing was measured")
    for figure in figures.values():
        figure["median"] = round(statistics.median(figure["samples"]), 3)
        figure["p99"] = find_p99(figure["samples"])
        if "rival" in figure:
            figure["rival_median"] = round(statistics.median(figure["rival_samples"]), 3)
            figure["ratio"] = round(figure["median"] / figure["rival_median"], 3)
    return list(figures.values())


def show(value):
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


COLUMNS = ("figure", "unit", "median", "p99", "least", "most", "samples")
RIVAL_COLUMNS = ("figure", "unit", "median", "p99", "least", "most", "rival", "its median", "its p99", "least", "most", "ratio",
                 "samples")


def show_p99(samples):
    """Of fewer than a hundred it is the greatest, which has a column."""
    return show(find_p99(samples)) if len(samples) >= 100 else ""


def make_row(figure):
    samples = figure["samples"]
    row = [figure["name"], figure["unit"], show(figure["median"]), show_p99(samples), show(min(samples)), show(max(samples))]
    if "rival" in figure:
        its = figure["rival_samples"]
        row += [figure["rival"], show(figure["rival_median"]), show_p99(its), show(min(its)), show(max(its)),
                f"{figure['ratio']:.3f}"]
    return row + [str(len(samples))]


def make_tables(figures):
    """The head and a row a figure: one of those that have a rival, one of the others."""
    tables = []
    for columns, has_rival in ((RIVAL_COLUMNS, True), (COLUMNS, False)):
        rows = [make_row(figure) for figure in figures if ("rival" in figure) == has_rival]
        if rows:
            tables.append([columns] + rows)
    return tables


def print_table(rows):
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.ljust(width) if i < 2 else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(row, widths))).rstrip())


def record(name, engine, samples):
    figures = read_samples(samples)
    os.makedirs(FOLDER, exist_ok=True)
    path = os.path.join(FOLDER, name + ".json")
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump({"bench": name, "commit": find_commit(), "machine": describe_machine(), "engine": engine,
                   "figures": figures}, file, indent=1)
        file.write("\n")
    os.rename(path + ".new", path)
    for rows in make_tables(figures):
        print_table(rows)
    print(f"written to '{path}'")


def make_section(bench):
    lines = [f"\n### {bench['bench']}\n", f"commit {bench['commit']}, engine {bench['engine']}, {bench['machine']}"]
    for head, *rows in make_tables(bench["figures"]):
        lines += ["", "| " + " | ".join(head) + " |", "| --- | --- |" + " ---: |" * (len(head) - 2)]
        lines += [f"| `{row[0]}` | " + " | ".join(row[1:]) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def publish():
    benches = []
    for path in sorted(glob.glob(os.path.join(FOLDER, "*.json"))):
        with open(path, encoding="utf-8") as file:
            benches.append(json.load(file))
    if not benches:
        sys.exit(f"report: there is no figure in '{FOLDER}': run 'make bench' first")
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        sys.exit(f"report: '{PAGE}' has not the two lines {BEGIN.strip()} and {END.strip()}")
    head, rest = text.split(BEGIN)
    old, tail = rest.split(END)
    sections = {section.split("\n", 1)[0]: "\n### " + section.rstrip("\n") + "\n" for section in old.split("\n### ")[1:]}
    sections.update((bench["bench"], make_section(bench)) for bench in benches)
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(head + BEGIN + "".join(section for _, section in sorted(sections.items())) + "\n" + END + tail)
    print(f"{len(benches)} benches are in '{PAGE}'")


def main(arguments):
    if len(arguments) == 4 and arguments[0] == "record":
        record(*arguments[1:])
    elif arguments == ["publish"]:
        publish()
    else:
        sys.exit(__doc__.strip())


if __name__ == "__main__":
    main(sys.argv[1:])
