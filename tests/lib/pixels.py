#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
# pixels.py - read a terminal's text out of a screenshot
"""
pixels.py line                the text to show first: the alphabet twice
pixels.py read IMAGE          prints what can be read, "X Y TEXT" a line
pixels.py expect IMAGE TEXT   0: it is there; 1: it is not, and what is; 2: nothing can be read

IMAGE is a binary PPM or an XWD file, - for standard input.

How it works: nothing is known of the font, its size and where the terminal is. Somebody has typed the calibration line,
the alphabet twice, and find_line() looks for it: pixel rows that repeat after as many cells as the alphabet has letters.
learn() cuts these cells up, and each has to be different from all others; read_text() then finds the same pixels
anywhere in the picture. Everything is exact: a picture that was scaled, or compressed with loss, repeats nowhere and is
refused, with the reason that explain() sees. Only the green channel is looked at.

A text has to stand between blanks. A wide letter, such as #, reaches into the cell behind it, and what is drawn there in one
go with it has some of its pixels and is not recognized; how much is drawn in one go depends on how busy the machine is.
"""
import struct
import sys

ALPHABET = "0123456789abcdef"
CELL_WIDTHS = range(5, 33)
CELL_HEIGHTS = range(5, 49)
SHORTEST = 6  # letters in a row that count as text
XWD_HEADER = struct.Struct(">25I")
XWD_LSB_FIRST = 0


class Unreadable(Exception):
    """There is no picture, or nothing in it that can be read."""


def parse_ppm(data):
    """The rows of the green channel of a binary PPM."""
    fields, at = [], 2
    while len(fields) < 3:
        while data[at:at + 1].isspace():
            at += 1
        if data[at:at + 1] == b"#":
            at = data.index(b"\n", at)
            continue
        end = at
        while data[end:end + 1].isdigit():
            end += 1
        if end == at:
            raise Unreadable("the PPM file has a damaged head")
        fields.append(int(data[at:end]))
        at = end
    width, height, depth = fields
    pixels = data[at + 1:]
    if depth != 255 or len(pixels) < 3 * width * height:
        raise Unreadable("the PPM file is cut short or has not 8 bits a colour")
    return [pixels[3 * width * y + 1:3 * width * (y + 1):3] for y in range(height)]


def parse_xwd(data):
    """The rows of the green channel of an XWD file with 32 bits a pixel."""
    if len(data) < XWD_HEADER.size:
        raise Unreadable("the XWD file is cut short")
    head = XWD_HEADER.unpack(data[:XWD_HEADER.size])
    (size, _, form, _, width, height, _, order, _, _, _, bits, stride) = head[:13]
    start = size + 12 * head[19]
    if form != 2 or bits != 32 or head[15] != 0xFF00 or len(data) < start + stride * height:
        raise Unreadable("the XWD file is cut short or has not 32 bits a pixel")
    green = 1 if order == XWD_LSB_FIRST else 2
    rows = (data[start + stride * y:start + stride * y + 4 * width] for y in range(height))
    return [row[green::4] for row in rows]


def parse(data):
    """The rows of the green channel of a picture."""
    if data[:2] == b"P6":
        return parse_ppm(data)
    if len(data) > 8 and struct.unpack(">I", data[4:8])[0] == 7:
        return parse_xwd(data)
    raise Unreadable("the picture is neither a binary PPM nor an XWD file")


def find_repeats(row, period):
    """(start, end) of the stretches, at least a period long, that come again a period later and are not blank."""
    if len(row) < 2 * period:
        return []
    first = int.from_bytes(row[:-period], "big")
    second = int.from_bytes(row[period:], "big")
    differences = (first ^ second).to_bytes(len(row) - period, "big")
    wanted, at, found = bytes(period), 0, []
    while True:
        at = differences.find(wanted, at)
        if at < 0:
            return found
        end = at + period
        rest = differences[end:]
        end += len(rest) - len(rest.lstrip(b"\0"))
        if len(set(row[at:end])) > 1:
            found.append((at, end))
        at = end


def find_bands(rows, period):
    """(top, bottom, start, end) of neighbouring rows that repeat in the same stretch."""
    open_bands, done = [], []
    for y, row in enumerate(rows):
        going = []
        for start, end in find_repeats(row, period):
            for band in open_bands:
                common = max(band[2], start), min(band[3], end)
                if common[1] - common[0] >= period:
                    going.append((band[0], y + 1, *common))
                    break
            else:
                going.append((y, y + 1, start, end))
        done += [band for band in open_bands if band[0] not in [other[0] for other in going]]
        open_bands = going
    return [band for band in done + open_bands if band[1] - band[0] in CELL_HEIGHTS]


def cut(rows, top, bottom, x, width):
    """The pixels of a cell."""
    return b"".join(row[x:x + width] for row in rows[top:bottom])


def learn(rows, band, width):
    """(number of inked edge pixels, glyphs, x) of the best cutting of a band into cells; None when no cutting fits."""
    top, bottom, start, end = band
    best = None
    for x in range(start, end - width * len(ALPHABET) + 1):
        cells = [cut(rows, top, bottom, x + i * width, width) for i in range(len(ALPHABET))]
        paper = max(set(b"".join(cells)), key=b"".join(cells).count)
        if len(set(cells)) < len(ALPHABET) or any(set(cell) == {paper} for cell in cells):
            continue
        edges = b"".join(cell[0::width] + cell[width - 1::width] for cell in cells)
        inked = len(edges) - edges.count(paper)
        # blank margins can be shared out in several ways: take the middle of the good ones
        if best is None or inked < best[0]:
            best = (inked, cells, [x])
        elif inked == best[0]:
            best[2].append(x)
    if best is None:
        return None
    x = best[2][len(best[2]) // 2]
    cells = [cut(rows, top, bottom, x + i * width, width) for i in range(len(ALPHABET))]
    return best[0], dict(zip(cells, ALPHABET)), x


def find_blur(rows):
    """A sentence when the picture looks scaled or compressed with loss, else ""."""
    steps = small = 0
    for row in rows[::2]:
        for left, right in zip(row, row[1:]):
            if left != right:
                steps += 1
                small += abs(left - right) < 12
    if steps > 1000 and small > steps * 0.3:
        return (f"{100 * small // steps} % of the steps between pixels are tiny: "
                "the picture is scaled or compressed with loss")
    return ""


def explain(rows):
    """Why nothing repeats, as far as the picture tells."""
    return find_blur(rows) or f"the line '{2 * ALPHABET}' is not shown, or the window is scaled"


def find_line(rows):
    """(glyphs, x, width, height) of the calibration line."""
    best = None
    for width in CELL_WIDTHS:
        for band in find_bands(rows, width * len(ALPHABET)):
            learnt = learn(rows, band, width)
            if learnt and (best is None or learnt[0] < best[0]):
                best = (learnt[0], learnt[1], learnt[2], width, band[1] - band[0])
    if best is None:
        raise Unreadable("no calibration line: " + explain(rows))
    return best[1:]


def read_line(rows, top, grid):
    """(x, text) of the letters in a row whose cells begin at this pixel row."""
    glyphs, x, width, height = grid
    found, text = [], ""
    for left in range(x % width, len(rows[0]) + width, width):
        letter = glyphs.get(cut(rows, top, top + height, left, width), "")
        if letter:
            text += letter
        elif text:
            found.append((left - width * len(text), text))
            text = ""
    return [(left, text) for left, text in found if len(text) >= SHORTEST]


def read_text(rows):
    """(x, y, text) of everything that can be read."""
    grid = find_line(rows)
    found = []
    for top in range(len(rows) - grid[3] + 1):
        if any(len(set(row)) > 1 for row in (rows[top], rows[top + grid[3] - 1])):
            found += [(x, top, text) for x, text in read_line(rows, top, grid)]
    return found


def expect(rows, found, text):
    """The exit status of "expect"."""
    if any(text == other for _, _, other in found):
        return 0
    # the calibration line may survive a compression in blocks as wide as its cells
    if find_blur(rows):
        raise Unreadable(find_blur(rows))
    others = [other for _, _, other in found if other != 2 * ALPHABET]
    print(f"mismatch: '{text}' is not shown; there is: {' '.join(others) or 'nothing but the calibration line'}")
    return 1


def main(verb="", path="", text=""):
    """Returns the exit status."""
    if verb == "line":
        print(2 * ALPHABET)
        return 0
    if verb not in ("read", "expect") or not path or (verb == "expect") != bool(text):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
        rows = parse(data)
        found = read_text(rows)
        if verb == "expect":
            return expect(rows, found, text)
    except (OSError, Unreadable) as error:
        print(f"pixels: '{path}': {error}", file=sys.stderr)
        return 2
    for x, y, line in found:
        print(x, y, line)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
