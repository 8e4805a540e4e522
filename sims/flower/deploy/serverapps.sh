#!/usr/bin/env bash
# serverapps.sh FOLDER ADDRESS: starts the ServerApp of every run of the SuperLink at ADDRESS; runs are left in FOLDER/runs.
source "$(dirname "$0")/environment.sh"
need 2 "$0" "$@"
folder="$(realpath "$1")"
export FLWR_HOME="$folder/serverapps"
mkdir -p "$FLWR_HOME"
# A ServerApp inherits this working directory, so that its folder=runs lies here.
cd "$folder"
say "ServerApps of the SuperLink at $2, runs in $folder/runs"
setsid flower-superexec --runtime-api-address "$2" --root-certificates "$folder/ca.crt" \
    --superexec-auth-secret-file "$folder/serverapps.secret" &
group=$!

# ServerApps are in its group. One that cannot take leave of the SuperLink would try for ever.
finish() {
    kill -TERM -- "-$group" 2>/dev/null || return 0
    for ((tries = 0; tries < 50; tries++)); do
        kill -0 -- "-$group" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL -- "-$group" 2>/dev/null || true
}
trap finish EXIT
trap 'exit 0' INT TERM
wait "$group"
