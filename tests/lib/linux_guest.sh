#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# linux_guest.sh - makes the smallest Linux guest in a folder: linux_guest.sh FOLDER
#
# FOLDER/kernel is Debian's generic kernel out of the golden image (golden.sh), FOLDER/initrd holds nothing but
# tests/guests/linux_init.c, which says on the console that it was reached, and ends the machine.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$1

image=${CARREL_IMAGE_DIR:-$(bash "$root/tests/lib/golden.sh")}
mkdir -p "$folder"
cp "$image/kernel" "$folder/kernel"
"${CC:-gcc}" -static -O2 -o "$folder/init" "$root/tests/guests/linux_init.c"
PYTHONPATH=$root/tests/recipes/tiny python3 -B -c 'import make_initrd, sys; make_initrd.pack(sys.argv[1], {"init": sys.argv[2]})' \
	"$folder/initrd" "$folder/init"
