#!/usr/bin/env bash
# connection.sh FOLDER ADDRESS CA: write FOLDER/config.toml, with which flwr finds the SuperLink (FLWR_HOME=FOLDER).
source "$(dirname "$0")/environment.sh"
need 3 "$0" "$@"
mkdir -p "$1"
say "connection to $2: $1/config.toml"
cat >"$1/config.toml" <<TOML
[superlink]
default = "fedkd"

[superlink.fedkd]
address = "$2"
root-certificates = "$(realpath "$3")"
TOML
