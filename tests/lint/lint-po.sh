#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# lint-po.sh - each message for users has its German words, and no word is left of a message that is no more
set -eu
cd "${top_srcdir:-$(dirname "$0")/../..}"
command -v xgettext msgcmp >/dev/null || { echo "xgettext or msgcmp is missing: install the packages in packages.txt"; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
read -ra options < <(sed -n 's/^XGETTEXT_OPTIONS = //p' po/Makevars)
grep -v '^#' po/POTFILES.in | xgettext "${options[@]}" --files-from=- --output="$folder/all.pot"
code=0
while read -r language; do
	msgcmp "po/$language.po" "$folder/all.pot" || code=1
	msgcmp --use-untranslated "$folder/all.pot" "po/$language.po" || code=1
done < <(grep -v '^#' po/LINGUAS)
echo "$(grep -c '^msgid' "$folder/all.pot") messages"
exit $code
