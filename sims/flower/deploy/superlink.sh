#!/usr/bin/env bash
# superlink.sh FOLDER [HOST [PORT]]: the SuperLink with TLS and node authentication; what it knows is in FOLDER/superlink.
source "$(dirname "$0")/environment.sh"
need 1 "$0" "$@"
folder="$(realpath "$1")" host="${2:-127.0.0.1}" port="${3:-9092}"
export FLWR_HOME="$folder/superlink"
mkdir -p "$FLWR_HOME"
say "SuperLink on $host:$port, state in $FLWR_HOME/state.db"
# ServerApps are not its children (serverapps.sh starts them), so that a run outlives it.
exec flower-superlink --host "$host" --port "$port" --database "$FLWR_HOME/state.db" --enable-supernode-auth \
    --ssl-certfile "$folder/server.crt" --ssl-keyfile "$folder/server.key" --ssl-ca-certfile "$folder/ca.crt" \
    --isolation process --superexec-auth-secret-file "$folder/serverapps.secret"
