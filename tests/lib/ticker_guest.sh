#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# ticker_guest.sh - makes the Linux guest whose forks are counted in a folder: ticker_guest.sh FOLDER
#
# FOLDER/kernel is Debian's generic kernel out of the golden image (golden.sh). FOLDER/initrd holds tests/guests/linux_ticker.c
# as its init, the modules for a virtio disk and the balloon, and fio with its libraries.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$1
. "$root/tests/lib/image_modules.sh"

image=${CARREL_IMAGE_DIR:-$(bash "$root/tests/lib/golden.sh")}
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
mkdir -p "$folder"
cp "$image/kernel" "$folder/kernel"
image_modules_copy "$image" "$parts/modules" drivers/virtio/virtio{_ring,,_pci_legacy_dev,_pci_modern_dev,_pci,_balloon} \
	drivers/block/virtio_blk
"${CC:-gcc}" -D_GNU_SOURCE -I"$root" -static -O2 -o "$parts/init" "$root/tests/guests/linux_ticker.c" \
	"$root/tests/recipes/tiny/tiny_modules.c"
PYTHONPATH=$root/tests/recipes/tiny python3 -B -c '
import glob, make_initrd, os, shutil, sys
initrd, parts = sys.argv[1:]
fio = shutil.which("fio")
files = {"init": f"{parts}/init", "usr/bin/fio": fio}
files |= {f"modules/{os.path.basename(path)}": path for path in glob.glob(f"{parts}/modules/*")}
files |= {path.lstrip("/"): path for path in make_initrd.find_libraries(fio)}
make_initrd.pack(initrd, files)' "$folder/initrd" "$parts"
