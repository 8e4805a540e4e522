#!/usr/bin/env bash
# register.sh FOLDER KEY.pub ...: tell the SuperLink of FOLDER/config.toml (see connection.sh) which nodes may come.
source "$(dirname "$0")/environment.sh"
need 2 "$0" "$@"
FLWR_HOME="$(realpath "$1")"
export FLWR_HOME
shift
for key in "$@"; do
    if answer="$(flwr supernode register "$key" 2>&1)"; then
        say "registered $key"
    elif grep -q "already in use" <<<"$answer"; then
        say "known already: $key"
    else
        echo "$answer" >&2
        exit 1
    fi
done
