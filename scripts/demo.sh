#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job, shown (`make run`): a script does with real programs what an agent might try, first
# outside of a jail, then inside of one made by `jail-ai run -c configs/agent.yaml`. Every try has
# a promise that is checked, and what must not be reached keeps a log that has to stay empty.
#
# Two throw-away network namespaces play this machine and the rest of the world; their addresses
# are those reserved for documentation, and no packet leaves them:
#
#   host: 127.0.0.1 ::1                    web: 192.0.2.254 2001:db8:1::fe (the router)
#         192.0.2.1 2001:db8:1::1 up0 ─────── up0
#                                               203.0.113.10 2001:db8:2::10 198.51.100.7
set -euo pipefail
shopt -s lastpipe # read_results keeps what it read

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root policy=configs/agent.yaml
readonly refusal="Operation not permitted" # EPERM, the policy's errno
readonly own_port=3000                     # of the script's own server

# what it is | program | protocol | address | port | promise: refused, ok, or inbound (ok, from the host)
readonly tries=(
	"database of this machine|bash|tcp|127.0.0.1|5432|refused"
	"the same by IPv6|python3|tcp|::1|5432|refused"
	"the same as 0.0.0.0|python3|tcp|0.0.0.0|5432|refused"
	"the same as IPv4 in IPv6|python3|tcp|::ffff:127.0.0.1|5432|refused"
	"this machine's LAN address|curl|tcp|192.0.2.1|8080|refused"
	"its syslog, by UDP|python3|udp|127.0.0.1|514|refused"
	"the router's admin page|curl|tcp|192.0.2.254|80|refused"
	"a network in the policy|curl|tcp|198.51.100.7|80|refused"
	"the same by UDP|python3|udp|198.51.100.7|4433|refused"
	"the web|curl|tcp|203.0.113.10|80|ok"
	"the web by IPv6|curl|tcp|2001:db8:2::10|80|ok"
	"the web by UDP|python3|udp|203.0.113.10|4433|ok"
	"the script's own server|curl|tcp|127.0.0.1|$own_port|ok"
	"the same, from the host|curl|tcp|127.0.0.1|$own_port|inbound"
)

fail() {
	printf 'demo: %s\n' "$1" >&2
	exit 1
}

red='' green='' bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	red=$'\e[31m' green=$'\e[32m' bold=$'\e[1m' plain=$'\e[0m'
fi

dir=''
processes=()

clean_up() {
	local pid
	for pid in "${processes[@]}"; do
		kill -KILL "$pid" || true
	done 2>/dev/null
	wait 2>/dev/null # keeps the shell from telling of it
	if [ -n "$dir" ]; then
		rm -rf "$dir"
	fi
}

# start COMMAND... runs it in the background until this script ends, however it ends: the kernel
# kills it if nobody else can.
start() {
	setpriv --pdeathsig KILL "$@" </dev/null >"$dir/log.$1.${#processes[@]}" 2>&1 &
	processes+=($!)
}

# wait_for WHAT COMMAND... waits until the command succeeds.
wait_for() {
	local what=$1 end=$((SECONDS + 10))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || fail "$what does not come up: $(cat "$dir"/log.*)"
		sleep 0.02
	done
}

in_host() { nsenter --net="/proc/$host/ns/net" -- "$@"; }
in_web() { nsenter --net="/proc/$web/ns/net" -- "$@"; }

# Namespaces live as long as the process in them; nothing is entered into /run/netns.
has_namespace() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
cable_is_up() { in_host ip -o link show dev up0 | grep -q 'state UP' && in_web ip -o link show dev up0 | grep -q 'state UP'; }

make_world() {
	start unshare --net -- sleep infinity
	host=${processes[-1]}
	start unshare --net -- sleep infinity
	web=${processes[-1]}
	wait_for "the host's network namespace" has_namespace "$host"
	wait_for "the web's network namespace" has_namespace "$web"
	in_host ip -batch - <<-IP
		link add up0 type veth peer name up0 netns $web
		address add 192.0.2.1/24 dev up0
		address add 2001:db8:1::1/64 dev up0 nodad
		link set lo up
		link set up0 up
	IP
	in_web ip -batch - <<-IP
		address add 192.0.2.254/24 dev up0
		address add 2001:db8:1::fe/64 dev up0 nodad
		address add 203.0.113.10/32 dev lo
		address add 198.51.100.7/32 dev lo
		address add 2001:db8:2::10/128 dev lo nodad
		link set lo up
		link set up0 up
	IP
	in_host ip -batch - <<-IP
		route add default via 192.0.2.254
		route add ::/0 via 2001:db8:1::fe
	IP
	wait_for "the cable" cable_is_up
}

# serve NAMESPACE LOG PROTOCOL/ADDRESS/PORT... answers everybody and logs every arrival.
serve() {
	start nsenter --net="/proc/$1/ns/net" -- python3 "$dir/serve.py" "$dir/$2" "${@:3}"
	wait_for "the server with $2" test -e "$dir/$2"
}

write_server() {
	cat >"$dir/serve.py" <<-'PYTHON'
		import socket, sys, threading

		def arrived(where):
		    with open(sys.argv[1], "a") as log:
		        log.write(where + "\n")

		def answer(connection):
		    with connection:
		        if connection.recv(4096):
		            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")

		def serve(server, where):
		    while True:
		        if server.type == socket.SOCK_DGRAM:
		            _, peer = server.recvfrom(4096)
		            arrived(where)
		            server.sendto(b"hello\n", peer)
		        else:
		            connection, _ = server.accept()
		            arrived(where)
		            threading.Thread(target=answer, args=(connection,)).start()

		for where in sys.argv[2:]:
		    protocol, address, port = where.split("/")
		    server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
		                           socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
		    server.bind((address, int(port)))
		    if protocol == "tcp":
		        server.listen()
		    threading.Thread(target=serve, args=(server, where)).start()
		open(sys.argv[1], "w").close()  # ready
	PYTHON
}

# What runs in the jail. It prints a line for each try: number, ok or no, the error's text.
write_agent() {
	mkdir "$dir/agent"
	printf '%s\n' "${tries[@]}" >"$dir/agent/tries"
	cat >"$dir/agent/reach.py" <<-'PYTHON'
		import socket, sys

		protocol, address, port = sys.argv[1:]
		family = socket.AF_INET6 if ":" in address else socket.AF_INET
		kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
		with socket.socket(family, kind) as s:
		    s.settimeout(5)
		    try:
		        if protocol == "tcp":
		            s.connect((address, int(port)))
		            s.sendall(b"hello\n")
		        else:
		            s.sendto(b"hello\n", (address, int(port)))
		        s.recv(100)
		    except OSError as error:
		        sys.exit(error.strerror or str(error))
	PYTHON
	cat >"$dir/agent/agent.sh" <<-'BASH'
		export LC_ALL=C

		reach() { # PROGRAM PROTOCOL ADDRESS PORT
		    local host=$3
		    case $1 in
		    bash) (exec 3<>"/dev/tcp/$3/$4") ;;
		    python3) python3 reach.py "$2" "$3" "$4" ;;
		    curl)
		        [ "${host/:/}" = "$host" ] || host="[$host]"
		        curl --globoff --noproxy '*' --verbose --silent --max-time 5 --output /dev/null "http://$host:$4/" 2>&1 |
		            sed -n 's/^\* Immediate connect fail for //p; s/^curl: //p'
		        return "${PIPESTATUS[0]}" ;;
		    esac
		}

		try() { # NUMBER PROGRAM PROTOCOL ADDRESS PORT
		    local text
		    if text=$(reach "${@:2}" 2>&1); then
		        printf '%s\tok\t\n' "$1"
		    else
		        text=${text%%$'\n'*}
		        printf '%s\tno\t%s\n' "$1" "${text##*: }"
		    fi
		}

		if [ $# -gt 0 ]; then
		    try "$@"
		    exit
		fi
		coproc server { exec python3 -u -m http.server --bind 127.0.0.1 --directory www 3000 2>/dev/null; }
		read -r _ <&"${server[0]}" # it listens
		number=0 waited=0
		while IFS='|' read -r _ program protocol address port promise; do
		    if [ "$promise" = inbound ]; then
		        printf '%s\tserving\t\n' "$number"
		        until [ -e visited ] || [ $((waited += 1)) -gt 200 ]; do sleep 0.05; done
		    else
		        try "$number" "$program" "$protocol" "$address" "$port"
		    fi
		    number=$((number + 1))
		done <tries
		kill "$server_PID"
	BASH
	mkdir "$dir/agent/www"
	chmod -R a+rX "$dir"
	chown -R "${SUDO_UID:-0}:${SUDO_GID:-0}" "$dir/agent" # whom jail-ai runs the script as
}

status=none # of what read_results read last
kept=0 broken=0
outside=() # results without a jail, by number of the try

# show NUMBER RESULT TEXT prints a line of the table, and checks the promise.
show() {
	local what program protocol address port promise color=$green text=$2 want=ok note=''
	IFS='|' read -r what program protocol address port promise <<<"${tries[$1]}"
	case $address in
	*:*) address="[$address]" ;;
	esac
	if [ "$promise" = refused ]; then
		want=no
	fi
	if [ "$2" = no ]; then
		text=$3
	fi
	if [ "$2" = "$want" ] && { [ "$2" = ok ] || [ "$3" = "$refusal" ]; } && [ "${outside[$1]:-}" = ok ]; then
		kept=$((kept + 1))
	else
		broken=$((broken + 1)) color=$red note='  <- NOT AS PROMISED'
	fi
	printf '    %-26s %-7s %-3s %-23s %-8s %s%s%s%s\n' "$what" "$program" "$protocol" "$address:$port" \
		"${outside[$1]:-nothing}" "$color" "$text" "$note" "$plain"
	if [ "$promise" = refused ] && [[ ${tries[$1 + 1]} != *'|refused' ]]; then
		printf '  %smust just work%s\n' "$bold" "$plain"
	fi
}

# read_results outside|jail takes what the agent prints. Its `serving` is the moment for a visit by
# a program on the host; `end` is the exit status.
read_results() {
	local number result text
	status=none
	while IFS=$'\t' read -r number result text; do
		if [ "$number" = end ]; then
			status=$result
			continue
		fi
		if [ "$result" = serving ]; then
			IFS=$'\t' read -r number result text < <(in_host bash "$dir/agent/agent.sh" "$number" curl tcp 127.0.0.1 "$own_port")
			touch "$dir/agent/visited"
		fi
		if [ "$1" = outside ]; then
			outside[number]=$result
			[ "$result" = ok ] || outside[number]="no: $text"
		else
			show "$number" "$result" "$text"
		fi
	done
	rm -f "$dir/agent/visited"
}

# with_status COMMAND... runs it in the host's namespace, and ends its output with its exit status.
with_status() {
	local code=0
	in_host "$@" </dev/null || code=$?
	printf 'end\t%s\t\n' "$code"
}

# arrivals forbidden|allowed counts what the servers logged.
arrivals() { cat "$dir/$1"-* | wc -l; }

main() {
	local forbidden allowed
	if [ "$(id -u)" != 0 ]; then
		exec sudo -- bash "$0" "$@"
	fi
	[ -x "$root/bin/jail-ai" ] || fail "bin/jail-ai is not built: run make build"
	[ -e /proc/net/if_inet6 ] || fail "this kernel has no IPv6, which half of this is about"
	forbidden=$(printf '%s\n' "${tries[@]}" | grep -c '|refused$')
	allowed=$(printf '%s\n' "${tries[@]}" | grep -c '|ok$')
	allowed=$((allowed - 1)) # the script's own server keeps no log
	trap clean_up EXIT
	trap 'exit 130' INT TERM HUP
	dir=$(mktemp -d /tmp/jail-ai-demo.XXXXXX)
	chmod 755 "$dir"
	make_world
	write_server
	write_agent
	serve "$host" forbidden-host tcp/127.0.0.1/5432 tcp/::1/5432 tcp/192.0.2.1/8080 udp/127.0.0.1/514
	serve "$web" forbidden-web tcp/192.0.2.254/80 tcp/198.51.100.7/80 udp/198.51.100.7/4433
	serve "$web" allowed-web tcp/203.0.113.10/80 tcp/2001:db8:2::10/80 udp/203.0.113.10/4433
	cd "$dir/agent"

	with_status bash agent.sh 2>"$dir/log.outside" | read_results outside
	if [ "$status" != 0 ] || [ "$(arrivals forbidden)" != "$forbidden" ] || [ "$(arrivals allowed)" != "$allowed" ]; then
		fail "the script does not work outside of a jail (status $status): $(cat "$dir"/log.*)"
	fi
	truncate --size=0 "$dir"/forbidden-* "$dir"/allowed-*

	printf '%sAn agent'"'"'s script, on a machine with services: without a jail, and in one.%s\n' "$bold" "$plain"
	printf 'Machine and web are throw-away network namespaces; programs, servers and kernel are real.\n\n'
	printf '  %s$ jail-ai run -c %s -- bash agent.sh%s\n\n' "$bold" "$policy" "$plain"
	printf '  %s%-28s %-7s %-27s %-8s %s\n  must be refused%s\n' "$bold" "WHAT IT TRIES" WITH TO "NO JAIL" "IN THE JAIL" "$plain"
	with_status "$root/bin/jail-ai" run -c "$root/$policy" -- bash agent.sh 2>"$dir/summary" | read_results jail
	printf '\n%sWhat jail-ai says when the script has ended:%s\n' "$bold" "$plain"
	cat "$dir/summary"
	echo

	[ "$status" = 0 ] || fail "jail-ai run ended with status $status"
	[ "$((kept + broken))" = ${#tries[@]} ] || fail "the script in the jail told of $((kept + broken)) tries, not of ${#tries[@]}"
	[ "$broken" = 0 ] || fail "$broken of ${#tries[@]} tries did not end as promised"
	[ "$(arrivals forbidden)" = 0 ] || fail "something arrived where nothing may: $(cat "$dir"/forbidden-*)"
	[ "$(arrivals allowed)" = "$allowed" ] || fail "$(arrivals allowed) of $allowed arrived in the web"
	grep -q ": $forbidden attempts refused" "$dir/summary" || fail "jail-ai did not report $forbidden attempts"
	printf '%sAll %s as promised; the logs of the forbidden services are empty.%s\n' "$green" "$kept" "$plain"
}

main "$@"
