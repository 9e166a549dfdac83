#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-lint.sh - the lint scripts complain where they must, and only there: a small tree with known faults
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/{base,auth,host,broker,vmm}
cp "${top_srcdir:-$here/../..}/.clang-format" "$tree/"

head_of() {
	printf '/* SPDX-License-Identifier: GPL-3.0-or-later */\n/* %s - a file of this test */\n' "$1"
}
good() {
	{ head_of "$(basename "$1")"; cat; } >"$tree/$1"
}

# expect SCRIPT LINE...: it complains in exactly these places (FILE:LINE), each named once
expect() {
	local script=$1 code=0 output wanted found
	shift
	output=$(top_srcdir=$tree top_builddir=$tree "$here/$script") || code=$?
	wanted=$(printf '%s\n' "$@" | sort -u)
	found=$(grep -v ': note: ' <<<"$output" | grep -o '^[A-Za-z_/.]*:[0-9]*' | sort -u || true)
	if [ "$found" != "$wanted" ] || { [ $# -gt 0 ] && [ $code -eq 0 ]; } || { [ $# -eq 0 ] && [ $code -ne 0 ]; }; then
		printf '%s: code %d; wanted complaints in:\n%s\nit said:\n%s\n' "$script" "$code" "$wanted" "$output"
		exit 1
	fi
	echo "ok: $script ($# complaints)"
}

good base/json.h <<<'#include <jansson.h>'
good base/json.c <<<'#include "base/json.h"'
for script in lint-doors.py lint-format.sh lint-graph.py lint-heads.py lint-includes.py lint-length.py lint-secrets.py; do
	expect "$script"
done

good auth/tool.c <<'C'
#include <glib.h>
#include <jansson.h>
#include "json.h"
#include "broker/store.h"
C
good broker/store.h <<<'#include "broker/ring.h"'
good broker/ring.h <<<'#include "broker/store.h"'
good vmm/ring.h </dev/null
good host/launch.c <<'C'
#include "common/loop.h"
int main(void)
C
echo 'int x;' >"$tree/host/headless.h"
{
	head_of long.c
	printf 'static int long_count_up(void)\n{\n'
	yes '	;' | head -n 101
	printf '}\nint main(void)\n{\n}\n'
} >"$tree/host/long.c"
yes '/* */' | head -n 151 >>"$tree/host/headless.h"
{
	head_of paths.c
	printf '/* see /wo%s/x */\nint main( void );\n' rk
} >"$tree/vmm/paths.c"

head_of long.h | sed '1s,.*,// SPDX-License-Identifier: GPL-3.0-or-later,' >"$tree/host/long.h"

expect lint-doors.py auth/tool.c:3 auth/tool.c:4
expect lint-graph.py auth/tool.c:6 host/launch.c:3
expect lint-heads.py host/headless.h:1 host/long.h:1
expect lint-includes.py auth/tool.c:1 auth/tool.c:5 broker/ring.h:1 broker/store.h:1 vmm/ring.h:1 \
	host/launch.c:3 host/headless.h:152
expect lint-length.py host/long.c:4
expect lint-secrets.py vmm/paths.c:3
cp /bin/true "$tree/vmm/carrel-vmm"
expect lint-libraries.py
cp "$(command -v bash)" "$tree/vmm/carrel-vmm" # which links libtinfo
expect lint-libraries.py vmm/Makefile.am:1
if top_srcdir=$tree "$here/lint-format.sh" >/dev/null 2>&1; then
	echo "lint-format.sh: did not see a blank too many"
	exit 1
fi
