#!/usr/bin/env bash
# supernode.sh FOLDER NUMBER NODES SUPERLINK CA KEY [DATA [PORT]]: a SuperNode that is client NUMBER of NODES, kept alive.
source "$(dirname "$0")/environment.sh"
need 6 "$0" "$@"
here="$(dirname "$(realpath "$0")")"
folder="$1" number="$2" nodes="$3" superlink="$4" ca="$(realpath "$5")" key="$(realpath "$6")"
config="partition-id=$number num-partitions=$nodes"
mkdir -p "$folder"
folder="$(realpath "$folder")"
config+=" folder=\"$folder\""
if [ -n "${7:-}" ]; then config+=" data=\"$(realpath "$7")\""; fi
port="${8:-$((9400 + number))}"
export FLWR_HOME="$folder/flwr"
mkdir -p "$FLWR_HOME"
cd "$folder"
say "SuperNode $number of $nodes at $superlink: $config"
exec "$PYTHON" "$here/node.py" --port "$port" -- \
    flower-supernode --superlink "$superlink" --root-certificates "$ca" --auth-supernode-private-key "$key" \
    --node-config "$config"
