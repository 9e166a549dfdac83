#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# tiny.sh - prints a folder of recipes with one in it, "tiny": a guest that is built in a second and published in ten
#
# Its kernel and modules are those of the golden image (golden.sh), read out of it with debugfs; its init is compiled here.
# For tests of what goes round a guest, not of what is in it: nobody can log in to it, and nothing is on its screen. The
# folder belongs to the cache: copy it (appliance_use_recipes of tiny_appliance.sh does) to change it.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/tests/lib/cache.sh"
. "$root/tests/lib/image_modules.sh"

# In the order in which they must be loaded
modules="drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_legacy_dev drivers/virtio/virtio_pci_modern_dev
drivers/virtio/virtio_pci drivers/char/virtio_console net/core/failover drivers/net/net_failover drivers/net/virtio_net"

fail() {
	echo "tiny recipe: $*" >&2
	exit 1
}

# make_parts FOLDER
make_parts() {
	# shellcheck disable=SC2086
	image_modules_copy "$image" "$1/modules" $modules || fail "its modules cannot be had"
	cp "$image/kernel" "$1/kernel"
	"${CC:-gcc}" -D_GNU_SOURCE -I"$root" -static -O2 -o "$1/init" "$root"/tests/recipes/tiny/tiny_{init,modules,tcp,witness}.c
}

image=$(bash "$root/tests/lib/golden.sh")
cache_open || fail "no folder for it can be written"
name=tiny-$( (cache_hash_tree "$root/tests/recipes/tiny" "$root"/tests/lib/{tiny,image_modules}.sh && basename "$image") | sha256sum | cut -c 1-16)
cache_lock "$name"
if ! [ -d "$cache/$name" ]; then
	cache_make_temporary
	trap 'rm -rf "$temporary"' EXIT
	cp -R "$root/tests/recipes/tiny" "$temporary/tiny"
	make_parts "$temporary/tiny/parts"
	chmod -R u=rwX,go=rX "$temporary"
	mv -T "$temporary" "$cache/$name"
fi
cache_use "$cache/$name"
cache_drop_old "tiny-*"
echo "$cache/$name"
