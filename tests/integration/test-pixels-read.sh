#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-pixels-read.sh - tests/lib/pixels.py reads what an xterm shows, and says when it cannot or when it is another text
set -eu
. tests/lib/screen.sh
trap screen_stop EXIT
trap 'exit 130' INT TERM
pixels() {
	python3 -B tests/lib/pixels.py "$@"
}

fail() {
	echo "$1"
	exit 1
}

# show NUMBER TOKEN [XTERM-OPTION...]: a terminal that shows both lines; takes $TMPDIR/shot.xwd when it has drawn them
show() {
	local number=$1 token=$2
	shift 2
	screen_run xterm -title "run $number" "$@" -e sh -c \
		"printf '\$ # %s\n\n> \$ # %s x\n' $(pixels line) $token; : >$TMPDIR/drawn.$number; exec sleep 1000"
	screen_wait 60 "^run $number\$"
	wait_until 60 test -e "$TMPDIR/drawn.$number"
	# written is not drawn: look until the line is there, or for as long as this must take
	wait_until 10 settled || fail "run $number: the screen does not come to rest"
	screen_end "$screen_pid"
}

# Has it drawn, and is every line of it complete?
settled() {
	screen_shot "$TMPDIR/shot.xwd" && cp "$TMPDIR/shot.xwd" "$TMPDIR/before.xwd" &&
		pixels read "$TMPDIR/shot.xwd" >/dev/null 2>&1 &&
		screen_shot "$TMPDIR/shot.xwd" && cmp -s "$TMPDIR/before.xwd" "$TMPDIR/shot.xwd"
}

screen_start 1000x700
sizes=(8 10 12 14)
for run in $(seq 8); do
	token=$(screen_new_token)
	show "$run" "$token" -fa 'DejaVu Sans Mono' -fs "${sizes[run % 4]}" -geometry "80x20+$((run * 7))+$((run * 5))"
	pixels expect "$TMPDIR/shot.xwd" "$token" || fail "run $run: the token was not read"
done
echo "8 of 8 tokens were read"

show bitmap "$token" -fn fixed
pixels expect "$TMPDIR/shot.xwd" "$token" || fail "a bitmap font was not read"
convert xwd:"$TMPDIR/shot.xwd" -depth 8 "$TMPDIR/shot.ppm"
pixels expect "$TMPDIR/shot.ppm" "$token" || fail "a PPM file was not read"

echo "another token is a mismatch, and so is a part of it"
for wrong in "$(tr 0-9a-f 1-9a-f0 <<<"$token")" "${token%?}" "${token}0" "${token%?}$(tr 0-9a-f 1-9a-f0 <<<"${token: -1}")"; do
	code=0
	said=$(pixels expect "$TMPDIR/shot.xwd" "$wrong") || code=$?
	[ "$code" = 1 ] || fail "'$wrong' ended with $code instead of 1 where '$token' is shown"
	grep -q "mismatch: '$wrong'.* $token" <<<"$said" || fail "the mismatch does not say what is there: $said"
done

# refused FILE REASON
refused() {
	local code=0 said
	said=$(pixels expect "$1" "$token" 2>&1) || code=$?
	[ "$code" = 2 ] || fail "'$1' ended with $code instead of 2: $said"
	grep -q -- "$2" <<<"$said" || fail "'$1' is not refused because of '$2' but: $said"
}

echo "a scaled picture, one with loss, one without the line, and damaged files are refused"
convert "$TMPDIR/shot.ppm" -resize '110%' "$TMPDIR/scaled.ppm"
refused "$TMPDIR/scaled.ppm" 'scaled'
convert "$TMPDIR/shot.ppm" -quality 80 "$TMPDIR/lossy.jpg"
convert "$TMPDIR/lossy.jpg" "$TMPDIR/lossy.ppm"
refused "$TMPDIR/lossy.ppm" 'scaled or compressed'
screen_shot "$TMPDIR/empty.xwd"
refused "$TMPDIR/empty.xwd" 'is not shown'
head -c 5000 "$TMPDIR/shot.ppm" >"$TMPDIR/cut.ppm"
refused "$TMPDIR/cut.ppm" 'cut short'
head -c 5000 "$TMPDIR/shot.xwd" >"$TMPDIR/cut.xwd"
refused "$TMPDIR/cut.xwd" 'cut short'
printf 'P6 a b' >"$TMPDIR/damaged.ppm"
refused "$TMPDIR/damaged.ppm" 'damaged'
refused "$TMPDIR/lossy.jpg" 'neither'
