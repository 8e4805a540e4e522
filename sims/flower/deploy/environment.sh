# Read by every script here (source environment.sh): what Flower must be told before it starts.
set -euo pipefail

# Flower would otherwise install an app's dependencies at run time, report its use, and look for updates.
export FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION=1 FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1
# How often a node looks for work to start; Flower's own interval is 1 second.
export FLWR_SUPEREXEC_TASK_POLL_INTERVAL="${FLWR_SUPEREXEC_TASK_POLL_INTERVAL:-0.1}"
# Flower starts its parts by name: they are beside the Python that runs fedkd.
PYTHON="${PYTHON:-python}"
PATH="$(dirname "$(command -v "$PYTHON")"):$PATH"
export PATH

say() { echo "$(date +%H:%M:%S) $*"; }

# The arguments of a script, or its first comment line as help.
need() {
    local count="$1" script="$2"
    shift 2
    if [ "$#" -lt "$count" ]; then
        sed -n '2s/^# //p' "$script" >&2
        exit 2
    fi
}

# Wait until something listens at HOST:PORT.
await() {
    local address="$1" tries
    for ((tries = 0; tries < 300; tries++)); do
        if (: <"/dev/tcp/${address%:*}/${address##*:}") 2>/dev/null; then return 0; fi
        sleep 0.2
    done
    say "nothing listens at $address after 60 s" >&2
    return 1
}
