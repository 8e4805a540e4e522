#!/usr/bin/env bash
# loopback.sh FOLDER [OVERRIDE ...]: a whole deployment on this machine: data, certificates, keys, SuperLink, 3 nodes, a run.
source "$(dirname "$0")/environment.sh"
need 1 "$0" "$@"
here="$(dirname "$(realpath "$0")")"
folder="$(mkdir -p "$1" && realpath "$1")"
shift
[ "$#" -gt 0 ] || set -- teacher=local rounds=5
nodes=3 port="${PORT:-9092}"
processes=()

# Whatever happens, what was started here is ended by its process id: the last first, since ServerApps and nodes take
# leave of the SuperLink.
finish() {
    local i
    for ((i = ${#processes[@]} - 1; i >= 0; i--)); do
        kill "${processes[i]}" 2>/dev/null || true
        wait "${processes[i]}" 2>/dev/null || true
    done
    say "all ended"
}
trap finish EXIT
trap 'exit 130' INT TERM

[ -d "$folder/data" ] || "$PYTHON" "$here/../../split_data.py" to="$folder/data" data=digits clients="$nodes"

bash "$here/certificates.sh" "$folder"
for ((i = 0; i < nodes; i++)); do
    [ -f "$folder/keys/node-$i" ] || bash "$here/node_key.sh" "$folder/keys/node-$i"
done
bash "$here/connection.sh" "$folder/flwr" "127.0.0.1:$port" "$folder/ca.crt"

# A SuperLink that forgets: it would go on with runs that were cut off last time.
rm -rf "$folder/superlink"
bash "$here/superlink.sh" "$folder" 127.0.0.1 "$port" >"$folder/superlink.log" 2>&1 &
processes+=($!)
await "127.0.0.1:$port"
bash "$here/serverapps.sh" "$folder" "127.0.0.1:$port" >"$folder/serverapps.log" 2>&1 &
processes+=($!)
bash "$here/register.sh" "$folder/flwr" "$folder"/keys/node-*.pub
for ((i = 0; i < nodes; i++)); do
    bash "$here/supernode.sh" "$folder/nodes/$i" "$i" "$nodes" "127.0.0.1:$port" "$folder/ca.crt" \
        "$folder/keys/node-$i" "$folder/data/node-$i" "$((port + 10 + i))" >"$folder/node-$i.log" 2>&1 &
    processes+=($!)
done

say "logs: $folder/*.log; the run: $folder/runs"
bash "$here/run.sh" "$folder" "loopback-$(date +%Y%m%d-%H%M%S)" data=folder data.path="$folder/data/server" \
    partitioner=natural_id clients="$nodes" executor=flower "$@"
