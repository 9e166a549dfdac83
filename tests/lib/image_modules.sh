# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# image_modules.sh - kernel modules out of a golden image, for guests of tests that have no other programs (sourced)

# image_modules_read IMAGE REQUEST: debugfs tells failure on standard error only
image_modules_read() {
	debugfs -R "$2" "$1/disk.img" 2>/dev/null
}

# image_modules_copy IMAGE FOLDER MODULE...: as NUMBER-NAME.ko, to be loaded in the order of the names, which is that of the arguments
image_modules_copy() {
	local image=$1 folder=$2 version number=10 module
	shift 2
	version=$(image_modules_read "$image" 'ls -p /usr/lib/modules' | awk -F/ '$6 ~ /^[0-9]/ { print $6 }' | head -n 1)
	[ -n "$version" ] || { echo "'$image/disk.img' holds no kernel modules" >&2 && return 1; }
	mkdir -p "$folder"
	for module; do
		image_modules_read "$image" "cat /usr/lib/modules/$version/kernel/$module.ko" >"$folder/$number-${module##*/}.ko"
		[ -s "$folder/$number-${module##*/}.ko" ] || { echo "the golden image has no module '$module'" >&2 && return 1; }
		number=$((number + 1))
	done
}
