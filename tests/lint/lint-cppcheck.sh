#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# lint-cppcheck.sh - cppcheck finds nothing; a false alarm is answered in place: // cppcheck-suppress ID ; why
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${top_srcdir:-$here/../..}" || exit 1
command -v cppcheck >/dev/null || { echo "cppcheck is missing: install the packages in packages.txt"; exit 1; }
mapfile -t files < <(python3 -B -c 'import sys; sys.path.insert(0, sys.argv[1]); import tree; print("\n".join(p for p in tree.sources() if p.endswith(".c")))' "$here")
[ -n "${files[0]:-}" ] || { echo "no C file"; exit 0; }
# without its preprocessor's branches for other systems; headers that are not ours are not read. Leaks are not asked
# for: cppcheck 2.10 does not know __attribute__((cleanup)) nor callbacks that own their context; LeakSanitizer does.
# Not asked for either: NULL as (void *)0 in varargs, and the non-reentrant calls of single-threaded programs.
cppcheck --quiet -j2 --enable=warning,portability --error-exitcode=1 --inline-suppr \
	--language=c --std=c11 --library=posix --library=gnu --library=gtk -D__linux__ -D__GNUC__ -D__x86_64__ \
	--suppress=missingInclude --suppress=missingIncludeSystem --suppress=unknownMacro \
	--suppress=resourceLeak --suppress=memleak --suppress=varFuncNullUB \
	--suppress=readdirCalled --suppress=getpwentCalled --suppress=getgrnamCalled --suppress=getgrgidCalled --suppress=getpwnamCalled --suppress=getpwuidCalled \
	--template='{file}:{line}: {message} [{id}]' -I . "${files[@]}" || exit 1
echo "${#files[@]} checked"
