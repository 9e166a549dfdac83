#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-desktop-network.sh - desktops of a pool with the network passt reach outward, and nothing of their host's
#
# In a network namespace of the test's own, which is the desktops' host: it has one cable to another one, "outside", where
# a server waits for what the desktops send. So it needs no network and disturbs none. What a desktop's programs take for the
# machine's names is compared here, too, because it can tell them; and one that was suspended comes back when its host has
# another address, which it learns by asking for its lease again only.
set -eu
[ "$(id -u)" = 0 ] || { echo "root is needed: services and desktops get uids of their own"; exit 77; }
outside=198.51.100.1 host=198.51.100.2 host_too=198.51.100.3 host_later=198.51.100.4
if [ -z "${CARREL_TEST_OWN_NETWORK:-}" ]; then
	# made with the machine's own network, if it has to be made
	bash tests/lib/published.sh >/dev/null
	CARREL_TEST_OWN_NETWORK=1 exec unshare --net bash "$0"
fi
. tests/lib/appliance.sh
. tests/lib/viewer.sh
folder=$TMPDIR/outside
broker_port=

network_start() {
	mkdir -p "$folder"
	mkfifo "$TMPDIR/go"
	head -c 1048576 /dev/urandom >"$folder/down"
	ip link set lo up
	# shellcheck disable=SC2016
	unshare --net bash -c 'read -r _ <"$1"; ip link set lo up; ip addr add "$2/24" dev out0; ip link set out0 up
		exec python3 -B "$3" "$2" "$4"' - "$TMPDIR/go" $outside tests/lib/outside.py "$folder" &
	screen_pids+=($!)
	wait_until 30 network_is_apart $! || fail "no second network namespace"
	ip link add up0 type veth peer name out0 netns $!
	ip addr add $host/24 dev up0
	ip addr add $host_too/24 dev up0
	ip link set up0 up
	ip route add default via $outside
	echo go >"$TMPDIR/go"
	wait_until 30 test -e "$folder/listens" || fail "the server outside does not listen"
	python3 -B -c 'import socket
s = socket.create_server(("0.0.0.0", 9999)); print(flush=True)
while True: s.accept()' >"$TMPDIR/listens" &
	screen_pids+=($!)
	wait_until 30 test -s "$TMPDIR/listens"
	python3 -B -c "import socket; socket.create_connection(('$host_too', 9999), 10)"
}

network_is_apart() {
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

network_find_passt() {
	local exe
	for exe in /proc/[0-9]*/exe; do
		[[ $(readlink "$exe") == */passt* ]] && [ "$(readlink "${exe%/exe}/ns/net")" = "$(readlink /proc/self/ns/net)" ] &&
			echo "${exe//[^0-9]/}"
	done
	true
}

# network_stutter PID...: passt takes nothing for a moment, again and again, so that its socket is full while a guest sends
network_stutter() {
	while kill -STOP "$@" && sleep 0.3 && kill -CONT "$@"; do sleep 0.1; done
}

# heard USER TEXT: a line that the user's desktop has sent
heard() {
	grep -qx "$1 $2" "$folder/said" 2>/dev/null
}

# wait_heard USER TEXT SECONDS: a regular expression
wait_heard() {
	wait_until "$3" heard "$1" "$2" ||
		{ viewer_keep_picture; fail "'$1 $2' was not heard: $(tail -n 12 "$folder/said" 2>&1)"; }
}

# run_inside USER: what guest_network.sh does, in the user's terminal
run_inside() {
	viewer_log_in "$1" office
	viewer_open_terminal
	screen_type ". <(cat </dev/tcp/$outside/80)"
	screen_key Return
	wait_heard "$1" "done" 120
	heard "$1" "address $host/24 $outside dhcp" || fail "no lease: $(grep address "$folder/said")"
	heard "$1" "got $(sha256sum <"$folder/down" | cut -c 1-64)" || fail "the bytes came otherwise: $(cat "$folder/said")"
	heard "$1" "reached $outside 80" || fail "$(cat "$folder/said")"
	heard "$1" "nothing at $host_too 9999" || fail "it reaches what listens on its host: $(cat "$folder/said")"
	heard "$1" "nothing at $outside $broker_port" || fail "the gateway's address is the host: $(cat "$folder/said")"
	heard "$1" "nothing at $host_too $broker_port" || fail "it reaches the broker: $(cat "$folder/said")"
	heard "$1" "nothing at $host_too 7777" || fail "desktops reach each other: $(cat "$folder/said")"
	echo "$1's desktop has a lease and reaches outward only"
}

# told USER WHAT: what the user's desktop has said of it last
told() {
	sed -n "s/^$1 $2 //p" "$folder/said" | tail -n 1
}

# expect_own_names USER OTHER: programs that ran when the template was sealed know this fork's names, or read them when they
# are asked, and they are not the other's
expect_own_names() {
	local what id card
	for what in hostname machine-id duid; do
		[ -n "$(told "$1" $what)" ] || fail "$1's desktop has no $what: $(grep "^$1 " "$folder/said")"
		[ "$(told "$1" $what)" != "$(told "$2" $what)" ] || fail "the desktops of $1 and $2 have the same $what: $(told "$1" $what)"
	done
	id=$(told "$1" machine-id)
	for what in systemd logind networkd; do
		[ "$(told "$1" $what)" = "$id" ] || fail "$1's $what takes the machine's id for '$(told "$1" $what)', it is '$id'"
	done
	card=$(told "$1" card)
	[ "$(told "$1" duid)" = "DUID-LL:0001${card//:/}" ] || fail "$1's DUID is '$(told "$1" duid)', not of the card '$card'"
}

# expect_template_names: what docs/ARCHITECTURE.md says is the template's in all its forks
expect_template_names() {
	local what
	for what in journald boot-id; do
		[ -n "$(told ada $what)" ] && [ "$(told ada $what)" = "$(told bob $what)" ] ||
			fail "the $what is not the template's any more: '$(told ada $what)' and '$(told bob $what)': mend the documentation"
	done
}

# network_readdress: the host is on the same cable with another address
network_readdress() {
	ip -4 addr flush dev up0
	ip addr add $host_later/24 dev up0
	ip route add default via $outside
}

is_at() {
	[ "$(told "$1" 'is at')" = "$2/24 $outside dhcp" ]
}

count_heard() {
	grep -cx "$1 lives" "$folder/said" || true
}

more_heard() {
	[ "$(count_heard "$1")" -gt "$2" ]
}

passt_is_new() {
	[ "$(network_find_passt | wc -l)" = 2 ] && ! network_find_passt | grep -qx "$1"
}

no_passt() {
	[ -z "$(network_find_passt)" ]
}

network_start
appliance_start
appliance_add_user bob
broker_port=${appliance_url##*:}
sed -e "s/@OUTSIDE@/$outside/g; s/@HOST@/$host_too/g; s/@PORT@/9999/g; s/@BROKER@/$broker_port/g" \
	tests/lib/guest_network.sh >"$folder/script"
wait_until 60 appliance_has_template || fail "hostd does not report the template"
ss -Hltn | awk '{ print $4 }' | sort >"$TMPDIR/before"
carrel pool create office --template "$appliance_template" --size 2 --user ada --user bob --network passt >/dev/null
appliance_wait office ready 2
ss -Hltn | awk '{ print $4 }' | sort | diff "$TMPDIR/before" - || fail "a desktop's network listens on the host"
[ "$(network_find_passt | wc -l)" = 2 ] || fail "not one passt a desktop: $(network_find_passt)"
screen_start
passts=$(network_find_passt)
# shellcheck disable=SC2086
network_stutter $passts &
stutter=$!
run_inside ada
kill "$stutter"
wait "$stutter" || true
# shellcheck disable=SC2086
kill -CONT $passts
echo "ada's desktop has outlived a passt that is slow"
viewer_close
run_inside bob
[ "$(sed -n 's/.* card //p' "$folder/said" | sort -u | wc -l)" = 2 ] || fail "their addresses are the same: $(grep card "$folder/said")"
for ((i = 0; i < 8; i++)); do cat "$folder/down"; done >"$folder/expected"
for file in "$folder"/up.*; do
	difference=$(cmp "$file" "$folder/expected" 2>&1) || fail "what was sent came otherwise: $difference"
done
[ "$(find "$folder" -name 'up.*' | wc -l)" = 2 ] || fail "not both users' bytes came back"
expect_own_names ada bob
expect_own_names bob ada
expect_template_names
echo "the desktops' programs have names of their own: $(told ada machine-id) $(told bob machine-id)"
ss -Hltn | awk '{ print $4 }' | sort | diff "$TMPDIR/before" - || fail "a desktop's network listens on the host"

kill -KILL "$(appliance_find_service carrel-hostd)"
appliance_wait office 'assigned|active|disconnected' 2
before=$(count_heard bob)
wait_until 60 more_heard bob "$before" || fail "hostd's end took the network along"
[ "$passts" = "$(network_find_passt)" ] || fail "a new hostd replaced passt"
echo "hostd was replaced, its desktops' networks live on"

victim=${passts##*[^0-9]}
# what the guest sends waits then
kill -STOP "$victim"
sleep 5
kill -KILL "$victim"
wait_until 60 passt_is_new "$victim" || fail "no new passt: $(network_find_passt)"
before_ada=$(count_heard ada) before_bob=$(count_heard bob)
wait_until 120 more_heard ada "$before_ada" && wait_until 120 more_heard bob "$before_bob" ||
	fail "the network does not come back: $(tail -n 5 "$folder/said")"
echo "passt was killed, the desktops reach outward again"

is_at ada $host || fail "ada's desktop is at '$(told ada 'is at')'"
read -r _ desktop < <(appliance_session ada)
carrel desktop suspend "$desktop" >/dev/null
appliance_wait office suspended 1 300
network_readdress
before=$(count_heard ada)
carrel desktop resume "$desktop" >/dev/null
appliance_wait office 'assigned|active|disconnected' 2 300
wait_until 120 more_heard ada "$before" || fail "after its resume nothing is heard of ada's desktop: $(tail -n 5 "$folder/said")"
wait_until 60 is_at ada $host_later || fail "ada's desktop has not renewed its lease: it is at '$(told ada 'is at')'"
echo "ada's desktop was suspended, and has renewed its lease when it came back"

curl --silent --show-error --fail --unix-socket "$appliance_state/run/broker.sock" --request PATCH \
	--header 'Content-Type: application/json' --data '{"network": "none"}' http://localhost/api/v1/pools/office >/dev/null
for user in ada bob; do
	read -r session _ < <(appliance_session $user)
	carrel session revoke "$session" >/dev/null
done
wait_until 120 no_passt || fail "passt is left: $(network_find_passt)"
appliance_wait office ready 2
[ -z "$(network_find_passt)" ] || fail "a pool without a network has passt"
appliance_stop
