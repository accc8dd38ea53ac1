#!/usr/bin/env bash
# Runs a program on several machines that are played by this one: each is a network namespace with a name of its own, joined by links
# that `tc` slows. Needs root, `ip`, `tc` and Open MPI.
#
#     benches/machines.sh 4 1gbit target/release/examples/exchange_times
set -euo pipefail
[ $# -ge 3 ] || { echo "usage: $0 MACHINES RATE PROGRAM [ARGUMENTS]" >&2; exit 2; }
machines=$1 rate=$2
shift 2
bridge=unspool$$
agent=$(mktemp)
end() {
    # shellcheck disable=SC2046 # one argument per job
    kill $(jobs -p) 2>/dev/null && wait
    for i in $(seq "$machines"); do ip netns del "$bridge-$i" 2>/dev/null || true; done
    ip link del "$bridge" 2>/dev/null || true
    rm -f "$agent"
}
trap end EXIT
ip link add "$bridge" type bridge
ip addr add 10.77.0.254/24 dev "$bridge"
ip link set "$bridge" up
hosts=
for i in $(seq "$machines"); do
    name=$bridge-$i
    ip netns add "$name"
    ip link add "v$$-$i" type veth peer name eth0 netns "$name"
    ip link set "v$$-$i" master "$bridge" up
    ip -n "$name" addr add "10.77.0.$i/24" dev eth0
    ip -n "$name" link set lo up
    ip -n "$name" link set eth0 up
    # What goes out and what comes in, each at this rate.
    ip netns exec "$name" tc qdisc add dev eth0 root tbf rate "$rate" burst 256kb latency 2s
    tc qdisc add dev "v$$-$i" root tbf rate "$rate" burst 256kb latency 2s
    hosts=${hosts:+$hosts,}10.77.0.$i
done
# In the place of ssh: the last number of the address is the machine's.
cat >"$agent" <<END
#!/bin/sh
host=\$1
shift
exec ip netns exec $bridge-\${host##*.} unshare -u sh -c "hostname machine-\${host##*.}; \$*"
END
chmod +x "$agent"
root=
[ "$(id -u)" -ne 0 ] || root=--allow-run-as-root
# In the background, so that a signal ends it and then all of this.
trap 'exit 143' INT TERM
mpirun $root --host "$hosts" --mca plm_rsh_agent "$agent" --mca btl self,tcp --mca btl_tcp_if_include 10.77.0.0/24 \
    --mca oob_tcp_if_include 10.77.0.0/24 --bind-to none --mca mpi_yield_when_idle 1 "$@" &
wait $!
