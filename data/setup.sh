# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# setup.sh - what check and quickstart share: installing the packages that packages.txt lists (sourced, not run)

# setup_list_packages FILE [SECTION...]: prints the packages of these sections, of all without any
setup_list_packages() {
	local file=$1
	shift
	awk -v wanted=" $* " '
		{ sub(/#.*/, "") }
		/^\[.*\]/ { section = substr($1, 2, length($1) - 2); next }
		wanted == "  " || index(wanted, " " section " ") { for (i = 1; i <= NF; i++) print $i }
	' "$file"
}

# setup_list_missing PACKAGE...: prints those that are not installed
setup_list_missing() {
	local package
	for package in "$@"; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
	done
}

# setup_install_packages PACKAGE...: installs what is missing and nothing else; asks no question
setup_install_packages() {
	local missing as_root=()
	mapfile -t missing < <(setup_list_missing "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		if ! command -v sudo >/dev/null; then
			echo "setup: missing packages: ${missing[*]}. Install them as root, or install sudo." >&2
			return 1
		fi
		as_root=(sudo)
	fi
	echo "setup: installing ${missing[*]}"
	# the lists may be missing or old: try without fetching them, then with
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get -qq -y --no-install-recommends install "${missing[@]}" </dev/null >/dev/null 2>&1 && return 0
	"${as_root[@]}" apt-get -qq update </dev/null &&
		"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
			apt-get -qq -y --no-install-recommends install "${missing[@]}" </dev/null
}
