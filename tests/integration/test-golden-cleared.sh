#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-golden-cleared.sh - a finished golden image holds nothing that must differ between desktops or came from its build
#
# The image is read as it is, by debugfs, and not mounted.
# timeout-minutes: 20
set -eu
for program in debugfs dumpe2fs; do
	command -v "$program" >/dev/null || { echo "$program is not installed"; exit 77; }
done
image=$(bash tests/lib/golden.sh)/disk.img

fail() {
	echo "$*"
	exit 1
}

look() {
	debugfs -R "$1" "$image" 2>/dev/null
}

# kind PATH: "regular", "directory", ..., or nothing
kind() {
	look "stat $1" | sed -n 's/.*Type: \([a-z]*\) .*/\1/p'
}

# names FOLDER: what is in it
names() {
	look "ls -p $1" | cut -d/ -f6 | sed -E '/^\.{0,2}$/d'
}

[ "$(kind /etc/hostname)" = regular ] && [ "$(look 'cat /etc/hostname')" = desktop ] || fail "'$image' cannot be read"

echo "identity"
[ "$(kind /etc/machine-id)" = regular ] || fail "there is no /etc/machine-id"
[ -z "$(look 'cat /etc/machine-id')" ] || fail "/etc/machine-id holds an id: $(look 'cat /etc/machine-id')"
for path in /var/lib/dbus/machine-id /var/lib/systemd/random-seed /var/lib/systemd/credential.secret; do
	[ "$(kind "$path")" != regular ] || fail "$path is there"
done
! names /etc/ssh | grep '^ssh_host_' || fail "it has SSH host keys"

echo "accounts"
[ "$(look 'cat /etc/shadow' | grep -c '^root:[!*]')" = 1 ] || fail "root's account is not locked"
! look 'cat /etc/shadow' | cut -d: -f1,2 | grep -v ':[!*]*$' || fail "an account has a password"
for path in passwd- shadow- group- gshadow-; do
	[ -z "$(kind "/etc/$path")" ] || fail "/etc/$path is there: an older state of the accounts"
done

echo "what the build left"
mkdir "$TMPDIR/var"
look "rdump /var/log /var/lib/apt/lists /var/cache/apt $TMPDIR/var"
[ -d "$TMPDIR/var/log" ] || fail "/var/log cannot be read"
left=$(find "$TMPDIR/var" -type f ! -name lock)
[ -z "$left" ] || fail "logs and lists are there: $left"
for folder in /tmp /var/tmp /run; do
	[ "$(kind "$folder")" = directory ] || fail "there is no $folder"
	left=$(names "$folder")
	[ -z "$left" ] || fail "$folder holds something: $left"
done
[ -z "$(look 'cat /etc/resolv.conf')" ] || fail "the builder's name servers are in it"
left=$(names /home | paste -sd' ')
[ "$left" = carrel-spare ] || fail "/home holds '$left'"
# systemd-tmpfiles makes an empty /root/.ssh
left=$(names /root | sed -E '/^\.(bashrc|profile|ssh)$/d' | paste -sd' ')$(names /root/.ssh)
[ -z "$left" ] || fail "root's home was used: $left"
