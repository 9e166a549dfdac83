#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# fork_picture.py - what the milliseconds of a fork go to: the fork_step_* figures of fork.json as a bar: fork_picture.py JSON SVG
#
# The SVG needs nothing else: no fonts, no scripts. Text is in the middle between light and dark, for pages of either kind.
import html
import json
import sys

PREFIX, SUFFIX = 'fork_step_', '_ms'
WIDTH, MARGIN, ROW, BAR = 900, 20, 22, 34
LABELS, SCALE = 260, 560  # where the small bars begin, and how long the longest is
COLORS = ('#3b7dd8', '#d8793b', '#3ba272', '#b857c9', '#c9a227', '#2ba6b8', '#d14b6a', '#7a7fd1')
TEXT = '#808890'


def read_steps(path):
    with open(path, encoding='utf-8') as file:
        figures = json.load(file)['figures']
    return [(figure['name'][len(PREFIX):-len(SUFFIX)].replace('_', ' '), figure['median'])
            for figure in figures if figure['name'].startswith(PREFIX)]


def text(x, y, words, anchor='start', size=13):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{TEXT}" '
            f'font-family="sans-serif">{html.escape(words)}</text>')


def box(x, y, width, height, color, words):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height}" fill="{color}">'
            f'<title>{html.escape(words)}</title></rect>')


def draw(steps):
    """All in one bar, and below it each with its name: where it begins, how long it is."""
    total = sum(ms for _, ms in steps)
    top = MARGIN + ROW
    title = f'A fork of carrel-vmm, from the start of its process to the first instruction: {total:.2f} ms'
    parts = [text(MARGIN, MARGIN + 4, title, size=15)]
    begin = 0
    for i, (name, ms) in enumerate(steps):
        words, color = f'{name}: {ms:.2f} ms', COLORS[i % len(COLORS)]
        whole = WIDTH - 2 * MARGIN
        y = top + BAR + ROW * (i + 1)
        parts.append(box(MARGIN + begin / total * whole, top, ms / total * whole, BAR, color, words))
        x, width = LABELS + begin / total * SCALE, ms / total * SCALE
        parts.append(text(LABELS - 10, y + 11, name, 'end'))
        parts.append(box(x, y, width, ROW - 8, color, words))
        parts.append(text(x + width + 6, y + 11, f'{ms:.2f}'))
        begin += ms
    height = top + BAR + ROW * (len(steps) + 1) + MARGIN
    return '\n'.join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">', *parts, '</svg>', ''])


def main(source, target):
    steps = read_steps(source)
    if not steps:
        print('fork_picture: no step was measured: nothing is drawn', file=sys.stderr)
        return
    with open(target, 'w', encoding='utf-8') as file:
        file.write(draw(steps))
    print(f"drawn in '{target}'")


if __name__ == '__main__':
    main(*sys.argv[1:])
