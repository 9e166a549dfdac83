#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# lint-format.sh - every C file is laid out as .clang-format says; to fix: clang-format -i FILE
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${top_srcdir:-$here/../..}" || exit 1
command -v clang-format >/dev/null || { echo "clang-format is missing: install the packages in packages.txt"; exit 1; }
mapfile -t files < <(python3 -B -c 'import sys; sys.path.insert(0, sys.argv[1]); import tree; print("\n".join(tree.sources()))' "$here")
[ -n "${files[0]:-}" ] || { echo "no C file"; exit 0; }
clang-format --dry-run -Werror --style=file "${files[@]}" || { echo "fix it with: clang-format -i FILE"; exit 1; }
echo "${#files[@]} checked"
