#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# replay.sh - runs one fuzzer, linked with replay_main.c, over its corpus: replay.sh ./fuzz_<module>
module=${1##*/fuzz_}
corpus=$(dirname "$0")/corpus/$module
if [ ! -d "$corpus" ]; then
	echo "tests/fuzz/corpus/$module: missing; every fuzzer has a corpus with good and bad input"
	exit 1
fi
exec "$1" "$corpus"/*
