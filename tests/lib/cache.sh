# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# cache.sh - what tests make once and keep outside the tree (sourced)
#
# An entry is a folder in $cache whose name holds a hash of what it was made from. It is made under its lock in a temporary
# folder and renamed when complete, so that an entry that is there is whole.

cache_keep=3         # entries of a kind that stay, whatever their age
cache_keep_hours=12  # an entry used within them stays: another test may be using it

# cache_open: sets $cache to the folder, making it
cache_open() {
	for cache in /var/cache/carrel "${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/carrel"; do
		mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] && return
	done
	return 1
}

# cache_hash_tree PATH...: a short hash of the files below; names relative to the paths, their modes and contents
cache_hash_tree() {
	local path
	for path in "$@"; do
		if [ -d "$path" ]; then
			(cd "$path" && find . ! -type d -printf '%P %y %m %l\n' | LC_ALL=C sort &&
				find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum)
		else
			sha256sum <"$path"
		fi
	done | sha256sum | cut -c 1-16
}

# cache_lock NAME: waits for the lock and holds it until this shell ends. Children must not inherit descriptor 9: 9>&-
cache_lock() {
	exec 9>"$cache/$1.lock"
	if ! flock -n 9; then
		echo "waiting for another process that makes '$1'" >&2
		flock 9
	fi
}

# cache_make_temporary: sets $temporary; the caller removes it
cache_make_temporary() {
	# what was killed left them
	find "$cache" -maxdepth 1 \( -name 'making.*' -o -name 'agent.*' \) -mmin +120 -exec rm -rf {} +
	temporary=$(mktemp -d "$cache/making.XXXXXX")
}

# cache_use ENTRY: it was used now
cache_use() {
	: >"$1.used"
}

# cache_drop_old PATTERN: removes the least recently used entries of a kind
cache_drop_old() {
	local entry minutes=$((cache_keep_hours * 60))
	find "$cache" -maxdepth 1 -name "$1.used" -printf '%T@ %p\n' | sort -rn |
		tail -n +$((cache_keep + 1)) | cut -d ' ' -f 2- |
		while IFS= read -r entry; do
			[ -n "$(find "$entry" -mmin +$minutes)" ] || continue
			rm -rf "${entry%.used}" "${entry%.used}.lock" "$entry"
		done
}
